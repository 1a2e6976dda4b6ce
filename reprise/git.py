"""Run git, for what DVC's own git has no name for."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reprise.errors import PipelineError

COMMAND = re.compile(r"[a-z][a-z-]*")
LOGIN_IN_ADDRESS = re.compile(r"(?<=://)[^/\s]+(?=@)")
# As in GIT_ALLOW_PROTOCOL. For any other, git starts git-remote-NAME; that of `ext` any command.
PROTOCOLS = ("file", "git", "http", "https", "ssh")
RUN_ANYTHING = {"", "ext", "fd"}
SCHEMES = (*PROTOCOLS, "git+ssh", "ssh+git")  # the last two are older names of ssh
PROTOCOL_IN_ADDRESS = re.compile(r"([\w+.-]*)(?:::|://)")
OPTION_IN_ADDRESS = re.compile(r"-|[^/]*@-|[^/]*://(?:[^/]*@)?-")  # git, or ssh, would take it so
# Set by git in a hook to say which repository it runs in: `git rev-parse --local-env-vars`,
# less the variables of its configuration.
REPOSITORY_VARIABLES = {
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
    *arguments: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    index: Path | None = None,
) -> str:
    """Run git and return what it prints. Nobody is asked for a password.

    folder: where it works, whatever repository the environment names.
    environment: of this process, if None. index: a file in place of the repository's index.
    Raises PipelineError with what git said, without the tokens in addresses, when it fails.
    """
    if environment is None:
        environment = os.environ
    variables = {**environment, "GIT_TERMINAL_PROMPT": "0"}
    if folder is not None:
        for name in REPOSITORY_VARIABLES:
            variables.pop(name, None)
    if index is not None:
        variables["GIT_INDEX_FILE"] = os.fspath(index)
    completed = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        errors="surrogateescape",  # names of files may be any bytes
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if completed.returncode != 0:
        reason = " ".join(completed.stderr.split()) or f"exit status {completed.returncode}"
        raise PipelineError(f"git {_command_name(arguments)}: {redacted(reason)}")
    return completed.stdout.strip()


def list_files(folder: Path, *paths: str) -> list[str]:
    """List the files of the working tree that git has or would take, from the folder.

    paths: those, or what is in them, alone. Some may be gone.
    """
    # Each name follows a letter and a space: git() strips what it returns.
    options = ("-z", "-t", "--cached", "--others", "--exclude-standard")
    listed = git("ls-files", *options, "--", *paths, folder=folder).split("\0")
    return list(dict.fromkeys(entry[2:] for entry in listed if entry))


def _command_name(arguments: tuple[str, ...]) -> str:
    """Pick the command out of the arguments: options of git itself may stand before it."""
    for argument in arguments:
        if COMMAND.fullmatch(argument):
            return argument
    raise AssertionError(arguments)


def redacted(text: str) -> str:
    """Leave out the user and the token of addresses."""
    return LOGIN_IN_ADDRESS.sub("…", text)


def check_address(address: str) -> str:
    """Return a repository's address, whoever gave it, if git may be given it.

    Raises PipelineError for one that git would take for an option, or run a command for.
    """
    if OPTION_IN_ADDRESS.match(address) or _runs_command(address):
        raise PipelineError(
            f"{redacted(address)}: found an address that makes git run a command; "
            f"expected a path, or an address of {', '.join(PROTOCOLS)}, or of another protocol "
            "that you trust and name in the environment's GIT_ALLOW_PROTOCOL"
        )
    return address


def _runs_command(address: str) -> bool:
    """Tell whether git would start a command for the address that nobody allowed."""
    protocol = PROTOCOL_IN_ADDRESS.match(address)
    if protocol is None or protocol[0] in map("{}://".format, SCHEMES):
        return False
    allowed = {*os.environ.get("GIT_ALLOW_PROTOCOL", "").split(":")} - RUN_ANYTHING
    return protocol[1] not in allowed


def merge_base(commit: str, other: str) -> str | None:
    """Find the newest commit that both commits come from; None if this clone knows none."""
    try:
        return git("merge-base", "--", commit, other)
    except PipelineError:  # git exits with 1 for none, and with 128 for a commit that it lacks
        return None


def is_shallow() -> bool:
    """Tell whether this clone lacks a part of its history."""
    return git("rev-parse", "--is-shallow-repository") == "true"
