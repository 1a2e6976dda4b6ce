"""Write undeclared inputs into the dvc.yaml files, and leave the rest of them as it is."""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reprise.check.templates import lines_to_declare
from reprise.check.yaml_edit import Item, YamlText
from reprise.dvc import Stage
from reprise.errors import PipelineError
from reprise.sandbox.undeclared import InputLine, Section, Undeclared

Needs = Mapping[Stage, Sequence[Undeclared]]


def fix(needs: Needs) -> list[str]:
    """Declare in dvc.yaml what the stages need. Return the files that were changed.

    needs: all stages that were checked, also those that need nothing: a foreach stage is declared
    once for all its items, by a template where they need files of their own names.

    Raises PipelineError where DVC would not load the file then, or where the lines can't be added
    alone. That file stays as it was.
    """
    files = sorted({Path(stage.file) for stage, undeclared in needs.items() if undeclared})
    for file in files:
        _fix_file(file, needs)
    return list(map(os.fspath, files))


def _fix_file(file: Path, needs: Needs) -> None:
    """Declare what the stages of one dvc.yaml file need, and change nothing else in it."""
    old = file.read_bytes().decode("utf-8")  # not read_text, which would change the line ends
    document = _load(old)  # becomes what the new text must say
    text = YamlText(old)
    for name, group in _groups(file, needs).items():
        entry = document["stages"][name]
        lines = list(lines_to_declare(entry, group))
        _refuse_circle(file, group, lines)
        path = ["stages", name]
        if "do" in entry:
            entry = entry["do"]
            path.append("do")
        for section in Section:
            items = [line.item for line in lines if line.section is section]
            _add_items(entry, section.value, items, text, path)
    new = text.result()
    if _load(new) != document:
        raise PipelineError(
            f"{file}: found lists that stages share, or a form in which nothing can be added alone;"
            " expected you to add the lines that are listed above"
        )
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(new.encode("utf-8"))
    shutil.copymode(file, part)
    part.replace(file)


def _add_items(
    stage: dict[str, Any], key: str, items: Collection[Item], text: YamlText, path: Sequence[str]
) -> None:
    """Add the items that a list of the stage lacks, to the parsed stage and to the text."""
    old = stage.get(key, [])
    new: list[Item] = []
    for item in items:
        if item not in [*old, *new]:
            new.append(item)
    if new:
        stage[key] = [*old, *new]
        text.append(path, key, old, new)


def _load(text: str) -> Any:
    """Parse the text. None if it is no YAML."""
    try:
        return _unshared(YAML(typ="safe", pure=True).load(text))
    except YAMLError:
        return None


def _unshared(value: Any) -> Any:
    """Copy lists and mappings, so that those of an anchor and its aliases are not the same."""
    match value:
        case dict():
            return {key: _unshared(item) for key, item in value.items()}
        case list():
            return [_unshared(item) for item in value]
    return value


def _groups(file: Path, needs: Needs) -> dict[str, Needs]:
    """Return what the stages of the file need, by the name of the entry that DVC makes them of."""
    groups: dict[str, dict[Stage, Sequence[Undeclared]]] = {}
    for stage, undeclared in needs.items():
        if Path(stage.file) == file:
            groups.setdefault(stage.group, {})[stage] = undeclared
    return dict(groups)


def _refuse_circle(file: Path, group: Collection[Stage], lines: Collection[InputLine]) -> None:
    """Raise PipelineError if a line declares an out of one item's stage as a dep of all of them."""
    deps = [line.file for line in lines if line.section is Section.DEPS]
    for dep, stage in product(deps, group):
        path = Path(os.path.normpath(stage.wdir / dep))
        if path in stage.outputs:
            raise PipelineError(
                f"{file}: {dep}: found that siblings of '{stage.name}' read its out;"
                " expected none to"
            )
