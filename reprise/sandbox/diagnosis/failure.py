"""Hold what is known of a command that failed: what it printed, and the code that it ran."""

import os
from functools import cached_property
from pathlib import Path

from reprise.sandbox.diagnosis.error_patterns import (
    CHANGED_FOLDER,
    COMMAND_NOT_FOUND,
    FILE_NOT_FOUND,
    SOMETHING_ABSENT,
    TRACEBACK_FRAME,
    WORD,
)
from reprise.sandbox.sandbox import Sandbox

LAST_LINES = 12  # of the output, in which keys are looked for


class Failure:
    """Holds what a stage's commands printed, sorted by what it speaks of, and the code that failed.

    commands: the stage's shell commands, one a line; output: the end of what they printed;
    last_lines: of the output; file_messages: its lines which say that a file is not there;
    absence_messages: these, and the lines which say so of something that may be no file.
    """

    def __init__(self, sandbox: Sandbox, output: str) -> None:
        """Sort the lines of the output. The code is read when a strategy asks for it."""
        self.sandbox = sandbox
        self.stage = sandbox.stage
        self.commands = "\n".join(self.stage.commands)
        self.output = output
        lines = [line for line in output.splitlines() if not COMMAND_NOT_FOUND.search(line)]
        self.last_lines = "\n".join(lines[-LAST_LINES:])
        self.file_messages = "\n".join(filter(FILE_NOT_FOUND.search, lines))
        self.absence_messages = "\n".join(filter(SOMETHING_ABSENT.search, lines))

    @cached_property
    def frames(self) -> list[tuple[Path, int]]:
        """List the places in the code of the sandbox at which Python's tracebacks point.

        Each is a file in the sandbox and the number of a line in it, from 1.
        """
        frames = []
        for name, number in TRACEBACK_FRAME.findall(self.output):
            file = self.sandbox.wdir / name
            if self.sandbox.holds(file):
                frames.append((file, int(number)))
        return frames

    @cached_property
    def code(self) -> list[str]:
        """List the texts of the files in tracebacks and of the scripts that the commands name."""
        files = [file for file, _ in self.frames]
        for word in WORD.findall(self.commands):
            if word.endswith((".py", ".sh")):
                script = self.sandbox.wdir / word
                files.append(script)
        given = filter(self.sandbox.holds, dict.fromkeys(files))
        return list(map(_read, given))

    @cached_property
    def failed_lines(self) -> str:
        """Return the lines of code at which tracebacks point.

        Where there are none, these are the commands, which may hold code themselves: `python -c`.
        """
        failed = []
        for file, number in self.frames:
            lines = _read(file).splitlines()
            failed += lines[number - 1 : number]  # none, if the command changed its own code
        return "\n".join(failed) or self.commands

    @cached_property
    def working_folders(self) -> list[Path]:
        """List the folders of the workspace in which a relative path may start.

        The stage's working directory is the first; the others are those that the commands, or the
        code that they ran, change to: `cd data`, `os.chdir("data")`.
        """
        folders = [self.stage.wdir]
        code = "\n".join([self.commands, *self.code])
        for name in CHANGED_FOLDER.findall(code):
            folder = os.path.normpath(self.stage.wdir / name)
            folders.append(Path(folder))
        return list(dict.fromkeys(folders))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
