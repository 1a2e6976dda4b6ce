"""Finds every undeclared input of every stage, and writes the missing deps and params into dvc.yaml."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.util import load_yaml_guess_indent

from pipeline.aside import Aside, aside, folder_aside
from pipeline.errors import PipelineError
from pipeline.failure import asked_for
from pipeline.repository import FAILURES, Stage, message
from pipeline.sandbox import Sandbox
from pipeline.trace import Trace
from pipeline.undeclared import Undeclared
from pipeline.watched import Watched

TRIES = 50  # one more input at least is found each time


@dataclass(frozen=True)
class Checked:
    """What a stage turned out to need and to leave alone. error: why it fails even with all that it names."""

    stage: Stage
    undeclared: list[Undeclared]
    never_opened: list[str]
    writes: list[str]
    error: str | None
    untraced: str | None = None  # why its files are known from error messages alone


def check(stage: Stage) -> Checked:
    """Runs the stage aside, hears what it asks for, and runs it again with that, until it needs no more.

    It is supplied with what it asks for as it goes; at last, if that may have mattered, with what was found alone.
    Outs that the workspace lacks are brought there, for the stages that read them.
    """
    found: list[Undeclared] = []
    try:
        stage.check_inputs()
    except (PipelineError, *FAILURES) as e:
        return Checked(stage, [], [], [], message(e))
    learning, unopened = True, {*map(Path, stage.dep_paths)}
    for _ in range(TRIES):
        sandbox = Watched(stage, folder_aside(stage), found, learning=learning)
        with Trace(sandbox.hear) as trace, aside(sandbox, trace.argv) as ran:
            named = asked_for(sandbox, ran.output) if ran.error is not None else []
            new = _without([*sandbox.needs(), *named], found)
            found += new
            unopened -= sandbox.used
            learns = learning and trace.refused is None
            if not new and not (learns and (ran.error is not None or sandbox.differs)):
                return _checked(sandbox, ran, found, unopened, trace.refused)
            learning = learns and bool(new) and ran.error is not None
    return Checked(stage, found, [], [], f"{TRIES} inputs were not enough")


def _without(needs: Iterable[Undeclared], found: Iterable[Undeclared]) -> list[Undeclared]:
    """The needs that are not found yet."""
    return [u for u in dict.fromkeys(needs) if u not in found]


def _checked(
    sandbox: Watched, ran: Aside, found: list[Undeclared], unopened: set[Path], untraced: str | None
) -> Checked:
    """After the last run."""
    stage = sandbox.stage
    if ran.error is not None:
        return Checked(stage, found, [], [], f"{ran.error}\n{ran.output.strip()}", untraced)
    _supply(stage, sandbox)
    root = stage.repository.root
    never = [] if untraced else sorted(os.path.relpath(p, root) for p in unopened if p.is_relative_to(root))
    return Checked(stage, found, never, sandbox.undeclared_writes(), None, untraced)


def _supply(stage: Stage, sandbox: Sandbox) -> None:
    """Moves outs to the workspace that it lacks."""
    for out in stage.outputs:
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(sandbox.inside(out), out)


def lines(checked: Checked) -> list[str]:
    """What is said of the stage: the lines to add to dvc.yaml, section by section."""
    stage, said = checked.stage, []
    if checked.undeclared:
        said.append(f"{stage.name}: undeclared; add to {stage.file}:")
    for section in ("deps", "params"):
        entries = [u.line for u in checked.undeclared if u.section == section]
        said += [f"    {section}:"] * bool(entries) + [f"      - {line}" for line in entries]
    if checked.error:
        said.append(f"{stage.name}: failed: {checked.error}")
    elif not checked.undeclared:
        said.append(f"{stage.name}: nothing undeclared")
    if checked.never_opened:
        said.append(f"  never opened: {', '.join(checked.never_opened)}")
    if checked.writes:
        said.append(f"  left beside its outs: {', '.join(checked.writes)}")
    return said


def fix(results: Iterable[Checked]) -> list[str]:
    """Writes the undeclared inputs into the dvc.yaml files, comments and order kept; the files changed."""
    by_file: dict[Path, list[Checked]] = {}
    for checked in results:
        if checked.undeclared:
            by_file.setdefault(Path(checked.stage.file), []).append(checked)
    for file, found in by_file.items():
        text = file.read_text(encoding="utf-8")
        yaml = _like(text)
        document = yaml.load(text)
        for checked in found:
            _declare(document["stages"][checked.stage.group], checked.undeclared)
        part = file.with_name(f".{file.name}.part")
        with part.open("w", encoding="utf-8") as out:
            yaml.dump(document, out)
        part.replace(file)
    return sorted(map(os.fspath, by_file))


def _like(text: str) -> YAML:
    """A round-trip YAML that writes with the indents of the text."""
    _, indent, offset = load_yaml_guess_indent(text)
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 100_000
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    return yaml


def _declare(entry: dict[str, Any], undeclared: Sequence[Undeclared]) -> None:
    """Adds to a stage, or to what a foreach stage does for each item."""
    stage = entry.get("do", entry)
    for found in undeclared:
        declared = stage.setdefault(found.section, [])
        line: Any = found.line
        if found.section == "params" and ": " in line:
            file, key = line.split(": ", 1)
            line = {file: [key]}
        if line not in declared:
            declared.append(line)
