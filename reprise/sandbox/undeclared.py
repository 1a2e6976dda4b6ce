"""Describe an input that a stage does not declare, and the line that declares it."""

from dataclasses import dataclass, field
from pathlib import Path

from reprise.described import DescribedEnum
from reprise.dvc import Stage

DEFAULT_PARAMS_FILE = "params.yaml"  # dvc.yaml lists its keys without naming the file


class Section(DescribedEnum):
    """Names the lists in which dvc.yaml declares inputs of a stage."""

    DEPS = "deps", "files and folders that the stage reads"
    PARAMS = "params", "keys of params files that the stage reads"


@dataclass(frozen=True)
class InputLine:
    """Holds the declaration of an input: one line of a section of a stage in dvc.yaml.

    file: relative to the stage's working directory; key: of a params file, dotted, empty for deps.
    """

    section: Section
    file: str
    key: str = ""

    @property
    def text(self) -> str:
        """Return the line on its own: `data/in.csv`, `train.lr`, or `other.json: train.lr`."""
        item = self.item
        if isinstance(item, str):
            return item
        return f"{self.file}: {self.key}"

    @property
    def item(self) -> str | dict[str, list[str]]:
        """Return the line as an item of its section: `{"other.json": ["train.lr"]}`."""
        if self.section is Section.DEPS:
            return self.file
        if self.file == DEFAULT_PARAMS_FILE:
            return self.key
        return {self.file: [self.key]}

    @property
    def yaml(self) -> str:
        """Return the line as it may stand in dvc.yaml: `- other.json: [train.lr]`."""
        item = self.item
        if isinstance(item, str):
            return f"- {item}"
        return f"- {self.file}: [{self.key}]"


@dataclass(frozen=True)
class Undeclared(InputLine):
    """Holds an input that the command asked for and the stage does not declare.

    path: the file's absolute path in the workspace, which has it; the sandbox hasn't.
    """

    path: Path = field(kw_only=True)

    def describe(self, stage: Stage) -> str:
        """Say what is not declared, and where to declare it."""
        name = self.file
        if self.section is Section.PARAMS:
            name = f"{self.key} (in {self.path.name})"
        return (
            f"{name} is not declared: add '{self.yaml}' to {self.section}"
            f" of stage '{stage.name}' in {stage.file}"
        )
