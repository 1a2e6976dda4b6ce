"""Writes undeclared inputs into the dvc.yaml files, comments and order kept."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.util import load_yaml_guess_indent

from pipeline.repository import Stage
from pipeline.undeclared import Undeclared

Needs = Mapping[Stage, Sequence[Undeclared]]


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
        _declare(document["stages"][name], group)
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


def _declare(entry: dict[str, Any], group: Needs) -> None:
    """Adds to a stage, or to what a foreach or matrix stage does for each item."""
    stage = entry.get("do", entry)
    for section, line in _entries(entry, group):
        declared = stage.setdefault(section, [])
        wanted: Any = line
        if section == "params" and ": " in line:
            file, key = line.split(": ", 1)
            wanted = {file: [key]}
        if wanted not in declared:
            declared.append(wanted)


def _entries(entry: dict[str, Any], group: Needs) -> Iterator[tuple[str, str]]:
    """(section, line). What each item needs by its own name is one line: `data/${item}.csv`."""
    items = _items(entry)
    templated = [
        [(u.section, _with(items.get(stage.item, {}), u.line)) for u in undeclared]
        for stage, undeclared in group.items()
    ]
    by_all = set.intersection(*map(set, templated)) if {stage.item for stage in group} == items.keys() else set()
    for undeclared, templates in zip(group.values(), templated, strict=True):
        for found, template in zip(undeclared, templates, strict=True):
            yield template if template in by_all else (found.section, found.line)


def _items(entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Of each item that dvc.yaml spells out, by the name that its stage has: its values, and how they are written."""
    items, axes = entry.get("foreach"), entry.get("matrix")
    if isinstance(items, Mapping):
        return {str(key): {str(key): "${key}"} | _values(item) for key, item in items.items()}
    if isinstance(items, Sequence) and not isinstance(items, str):
        # DVC names a list's items by their places if one of them is a mapping.
        by_place = any(isinstance(item, Mapping) for item in items)
        return {str(i if by_place else item): _values(item) for i, item in enumerate(items)}
    if isinstance(axes, Mapping) and all(isinstance(values, list) for values in axes.values()):
        combined = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        return {"-".join(map(str, item.values())): _values(item) for item in combined}
    return {}


def _values(item: Any) -> dict[str, str]:
    if isinstance(item, Mapping):
        return {str(v): f"${{item.{k}}}" for k, v in item.items() if isinstance(v, str | int | float)}
    return {str(item): "${item}"}


def _with(values: Mapping[str, str], line: str) -> str:
    """The line, whole words in it that are values of the item replaced by what stands for them."""
    if not values:
        return line
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.sub(rf"(?<![^\W_])({longest_first})(?![^\W_])", lambda found: values[found[0]], line)
