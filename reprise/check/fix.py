"""Write undeclared inputs into the dvc.yaml files, with comments and order kept."""

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.util import load_yaml_guess_indent

from reprise.check.templates import lines_to_declare
from reprise.dvc import Stage
from reprise.errors import PipelineError
from reprise.sandbox.undeclared import InputLine, Section, Undeclared

Needs = Mapping[Stage, Sequence[Undeclared]]


def fix(needs: Needs) -> list[str]:
    """Declare in dvc.yaml what the stages need. Return the files that were changed.

    needs: all stages that were checked, also those that need nothing: a foreach stage is declared
    once for all its items, by a template where they need files of their own names.

    Raises PipelineError where DVC would not load the file then. That file stays as it was.
    """
    files = sorted({Path(stage.file) for stage, undeclared in needs.items() if undeclared})
    for file in files:
        _fix_file(file, needs)
    return list(map(os.fspath, files))


def _fix_file(file: Path, needs: Needs) -> None:
    """Declare what the stages of one dvc.yaml file need."""
    text = file.read_text(encoding="utf-8")
    yaml = _yaml_in_style_of(text)
    document = yaml.load(text)
    for name, group in _groups(file, needs).items():
        entry = document["stages"][name]
        lines = list(lines_to_declare(entry, group))
        _refuse_circle(file, group, lines)
        _add_lines(entry.get("do", entry), lines)
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)
    part.replace(file)


def _groups(file: Path, needs: Needs) -> dict[str, Needs]:
    """Return what the stages of the file need, by the name of the entry that DVC makes them of."""
    groups: dict[str, dict[Stage, Sequence[Undeclared]]] = {}
    for stage, undeclared in needs.items():
        if Path(stage.file) == file:
            groups.setdefault(stage.group, {})[stage] = undeclared
    return dict(groups)


def _yaml_in_style_of(text: str) -> YAML:
    """Return a parser and writer that keeps comments, and indents as the text does."""
    _, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    return yaml


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


def _add_lines(stage: dict[str, Any], lines: Collection[InputLine]) -> None:
    """Add the lines to the sections of a stage in dvc.yaml, but for those that it has."""
    for line in lines:
        section = line.section.value
        declared = stage.setdefault(section, CommentedSeq())
        if declared.anchor.value is not None:  # others have the same list
            declared = CommentedSeq(declared)
            stage[section] = declared
        if line.item not in declared:
            declared.append(line.item)
