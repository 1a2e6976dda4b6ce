"""Write what the stages of a foreach or matrix stage need as lines for all of them.

dvc.yaml has one entry for all items. Where each item needs a file of its own name, `data/a.csv` and
`data/b.csv`, this entry needs the template `data/${item}.csv`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

from reprise.dvc import Stage
from reprise.sandbox.undeclared import DEFAULT_PARAMS_FILE, InputLine, Section, Undeclared

Values = dict[str, str]  # the values of an item, and the `${…}` that stands for each in dvc.yaml
Templates = Mapping[InputLine, InputLine]  # lines that a stage needs, and a template for each
NAME = re.compile(r"[A-Za-z_][\w-]*")  # of a key that `${}` can name


def lines_to_declare(
    entry: Mapping[str, Any], group: Mapping[Stage, Sequence[Undeclared]]
) -> Iterator[InputLine]:
    """Yield the lines that declare what the stages of the group need, some more than once.

    What every item needs, each by its own name, is one template; all else stays as it was found.

    entry: of the stage in dvc.yaml; group: the stages that DVC makes of it, one where it has no
    items, and what each of them needs.
    """
    items = _items(entry)
    templates: list[Templates] = []
    for stage, undeclared in group.items():
        values = items.get(stage.item, {})
        lines = [InputLine(need.section, need.file, need.key) for need in undeclared]
        templates.append({line: _templated(line, values) for line in lines})
    usable: set[InputLine] = set()
    if len(group) > 1 and {stage.item for stage in group} == items.keys():
        usable = _usable_templates(templates)
    for line, template in _pairs(templates):
        if template in usable:
            yield template
        else:
            yield line


def _usable_templates(templates: Sequence[Templates]) -> set[InputLine]:
    """Return the templates that may take the place of lines.

    Every item must need what the template says for it. And no line for which the template stands
    may be declared as it is, as the file would have two names then: not because all items need
    this line, nor because one item has another template for it.
    """
    lines_of_all = set.intersection(*map(set, templates))
    templates_of_all = set.intersection(*(set(mapping.values()) for mapping in templates))
    literal = set(lines_of_all)
    for line, template in _pairs(templates):
        if template not in templates_of_all:
            literal.add(line)
    return templates_of_all - {template for line, template in _pairs(templates) if line in literal}


def _pairs(templates: Sequence[Templates]) -> Iterator[tuple[InputLine, InputLine]]:
    return chain.from_iterable(mapping.items() for mapping in templates)


def _items(entry: Mapping[str, Any]) -> dict[str, Values]:
    """Return the values of each item that dvc.yaml spells out, by the name of the item's stage."""
    values: dict[str, Values] = {}
    match entry:
        case {"foreach": {**named}}:
            for key, item in named.items():
                values[str(key)] = {**_values(item), str(key): "${key}"}
        case {"foreach": [*items]} if any(isinstance(item, Mapping) for item in items):
            for position, item in enumerate(items):  # so DVC names them if one is a mapping
                values[str(position)] = _values(item)
        case {"foreach": [*items]}:
            for item in items:
                values[str(item)] = _values(item)
        case {"matrix": {**axes}} if all(isinstance(axis, list) for axis in axes.values()):
            values = _matrix_items(axes)
    return values


def _matrix_items(axes: Mapping[Any, Any]) -> dict[str, Values]:
    """Return the values of each item of a matrix: one of each axis."""
    items = {}
    for values in product(*axes.values()):
        name = "-".join(map(str, values))
        items[name] = _values(dict(zip(axes, values, strict=True)))
    return items


def _values(item: Any) -> Values:
    """Return the values of one item that a template can name.

    These are words and numbers: DVC writes true for True. Of two keys with one value either may be
    meant, so neither is named.
    """
    if _is_plain(item):
        return {str(item): "${item}"}
    if not isinstance(item, Mapping):
        return {}
    values = {}
    counts = Counter(map(str, item.values()))
    for key, value in item.items():
        if not isinstance(key, str) or not NAME.fullmatch(key):
            continue
        if _is_plain(value) and counts[str(value)] == 1:
            values[str(value)] = f"${{item.{key}}}"
    return values


def _is_plain(value: Any) -> bool:
    match value:
        case bool():
            return False
        case str() | int() | float():
            return True
    return False


def _templated(line: InputLine, values: Values) -> InputLine:
    """Return the line with the values of an item replaced by what stands for them."""
    key = _substitute(values, line.key)
    if line.section is Section.PARAMS and line.file == DEFAULT_PARAMS_FILE:
        return InputLine(line.section, line.file, key)  # the line does not spell the file out
    return InputLine(line.section, _substitute(values, line.file), key)


def _substitute(values: Values, text: str) -> str:
    """Replace whole words of the text that are values of the item; the longest first."""
    if not values:
        return text
    longest_first = sorted(values, key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first))
    return re.sub(rf"(?<![^\W_])({words})(?![^\W_])", lambda match: values[match[0]], text)
