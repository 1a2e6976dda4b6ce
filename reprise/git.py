"""Git commands, for what DVC's own git has no name for."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from reprise.errors import PipelineError

SECRET = re.compile(r"(?<=://)[^/\s]+(?=@)")  # user and token in an address
# What a hook's git says of the repository that it runs in: `git rev-parse --local-env-vars`, less its configuration.
PLACES = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}


def git(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """What the command prints. PipelineError with what git said when it fails; tokens in addresses are left out.

    folder: where it works, whatever repository the environment names. Nobody is asked for a password.
    """
    known = os.environ if environment is None else environment
    dropped: Iterable[str] = PLACES if folder is not None else ()
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**{k: v for k, v in known.items() if k not in dropped}, "GIT_TERMINAL_PROMPT": "0"},
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
    done = subprocess.run(
        ["git", "merge-base", one, other], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def is_shallow() -> bool:
    return git("rev-parse", "--is-shallow-repository") == "true"
