"""An input that a stage does not declare, and the line that declares it."""

from dataclasses import dataclass
from pathlib import Path

from reprise.dvc import Stage


@dataclass(frozen=True)
class Undeclared:
    """Something that the workspace has, the sandbox hasn't, and the command's error names."""

    section: str  # deps or params
    line: str  # to add to the section in dvc.yaml
    path: Path  # absolute, in the workspace

    @property
    def key(self) -> str:
        """Of a param, without its file."""
        return self.line.rpartition(": ")[2]

    @property
    def entry(self) -> str:
        """The line as YAML: a key in another file than params.yaml is in a list below the file's name."""
        file, _, key = self.line.rpartition(": ")
        return f"- {file}: [{key}]" if self.section == "params" and file else f"- {self.line}"

    def said(self, stage: Stage) -> str:
        what = f"{self.key} (in {self.path.name})" if self.section == "params" else self.line
        return f"{what} is not declared: add '{self.entry}' to {self.section} of stage '{stage.name}' in {stage.file}"
