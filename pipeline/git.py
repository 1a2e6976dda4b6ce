"""Git commands, for what DVC's own git has no name for."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import PipelineError

SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # user and token in an address


def git(*arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What the command prints. PipelineError with what git said when it fails; tokens in addresses are left out."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        command = next(a for a in arguments if not a.startswith("-") and "=" not in a)
        raise PipelineError(f"git {command}: {redacted(said)}")
    return done.stdout.strip()


def redacted(text: str) -> str:
    """Without user and token in addresses."""
    return SECRET.sub("…", text)


def merge_base(one: str, other: str) -> str | None:
    """The newest commit that both commits come from; None if this clone knows none."""
    done = subprocess.run(["git", "merge-base", one, other], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def is_shallow() -> bool:
    return git("rev-parse", "--is-shallow-repository") == "true"
