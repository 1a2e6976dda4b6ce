"""Writes undeclared inputs into the dvc.yaml files, comments and order kept."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.util import load_yaml_guess_indent

from reprise.dvc import Stage
from reprise.errors import PipelineError
from reprise.sandbox.undeclared import Undeclared

Needs = Mapping[Stage, Sequence[Undeclared]]
Line = tuple[str, str]  # section, and what to add to it


def fix(needs: Needs) -> list[str]:
    """`needs`: what each stage that was looked at does not declare. The files that were changed."""
    by_file: dict[Path, dict[str, dict[Stage, Sequence[Undeclared]]]] = {}
    for stage, undeclared in needs.items():
        by_file.setdefault(Path(stage.file), {}).setdefault(stage.group, {})[stage] = undeclared
    return [os.fspath(file) for file, groups in sorted(by_file.items()) if _fix_file(file, groups)]


def _fix_file(file: Path, groups: Mapping[str, Needs]) -> bool:
    if not any(undeclared for group in groups.values() for undeclared in group.values()):
        return False
    text = file.read_text(encoding="utf-8")
    yaml = _like(text)
    document = yaml.load(text)
    for name, group in groups.items():
        _declare(document["stages"][name], group, file)
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8") as out:
        yaml.dump(document, out)
    part.replace(file)
    return True


def _like(text: str) -> YAML:
    """A round-trip YAML that writes with the indents of the text."""
    _, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 100_000
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    return yaml


def _declare(entry: dict[str, Any], group: Needs, file: Path) -> None:
    """Adds to a stage, or to what a foreach or matrix stage does for each item. Raises PipelineError."""
    stage = entry.get("do", entry)
    for section, line in _entries(entry, group):
        maker = _maker(group, line) if section == "deps" else None
        if maker is not None:
            raise PipelineError(
                f"{file}: {line}: found that siblings of '{maker}' read its out; expected none to"
            )
        declared = stage.setdefault(section, CommentedSeq())
        if declared.anchor.value is not None:  # others have the same list
            stage[section] = declared = CommentedSeq(declared)
        wanted: Any = line
        if section == "params" and ": " in line:
            name, key = line.split(": ", 1)
            wanted = {name: [key]}
        if wanted not in declared:
            declared.append(wanted)


def _maker(group: Needs, line: str) -> Stage | None:
    """The stage of the group that writes the path."""
    return next((s for s in group if Path(os.path.normpath(s.wdir / line)) in s.outputs), None)


def _entries(entry: dict[str, Any], group: Needs) -> Iterator[Line]:
    """What each item needs by its own name is one line, `data/${item}.csv`; the rest is as it was found."""
    items = _items(entry)
    found = [[(u.section.value, u.text) for u in undeclared] for undeclared in group.values()]
    templated = [
        [(section, _with(items.get(stage.item, {}), line)) for section, line in lines]
        for stage, lines in zip(group, found, strict=True)
    ]
    alike: set[Line] = set()
    if len(group) > 1 and {stage.item for stage in group} == items.keys():
        alike = set.intersection(*(set(lines) for lines in templated))
    pairs = [
        pair for lines in zip(found, templated, strict=True) for pair in zip(*lines, strict=True)
    ]
    literal = set.intersection(*(set(lines) for lines in found)) | {
        line for line, form in pairs if form not in alike
    }
    partly = {form for line, form in pairs if line in literal}  # would name a file twice
    for line, form in pairs:
        yield line if form in partly or form not in alike else form


def _items(entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Of each item that dvc.yaml spells out, by the name that its stage has: its values, and how they are written."""
    items, axes = entry.get("foreach"), entry.get("matrix")
    if isinstance(items, Mapping):
        return {str(key): _values(item) | {str(key): "${key}"} for key, item in items.items()}
    if isinstance(items, Sequence) and not isinstance(items, str):
        # DVC names a list's items by their places if one of them is a mapping.
        by_place = any(isinstance(item, Mapping) for item in items)
        return {str(i if by_place else item): _values(item) for i, item in enumerate(items)}
    if isinstance(axes, Mapping) and all(isinstance(values, list) for values in axes.values()):
        combined = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        return {"-".join(map(str, item.values())): _values(item) for item in combined}
    return {}


def _values(item: Any) -> dict[str, str]:
    """Words and numbers alone: DVC writes true for True, and other keys can't be named in `${}`."""
    if not isinstance(item, Mapping):
        return {str(item): "${item}"} if _is_plain(item) else {}
    values = [str(v) for v in item.values()]
    return {
        str(v): f"${{item.{k}}}"
        for k, v in item.items()
        if _is_plain(v)
        and _is_name(k)
        and values.count(str(v)) == 1  # of two with one value either may be meant
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and re.fullmatch(r"[A-Za-z_][\w-]*", key) is not None


def _with(values: Mapping[str, str], line: str) -> str:
    """The line, whole words in it that are values of the item replaced by what stands for them."""
    if not values:
        return line
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.sub(rf"(?<![^\W_])({longest_first})(?![^\W_])", lambda found: values[found[0]], line)
