"""Run git, for what DVC's own git has no name for."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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
    if folder is not None:
        environment = without_repository(environment)
    variables = {**environment, "GIT_TERMINAL_PROMPT": "0"}
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


def without_repository(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables that say in which repository git is, as hooks have them."""
    names = environment.keys() - REPOSITORY_VARIABLES
    return {name: environment[name] for name in names}


@contextmanager
def outside_repository() -> Iterator[None]:
    """Leave these variables out of the environment, for work in other repositories than that."""
    named = {name: os.environ.pop(name) for name in REPOSITORY_VARIABLES & os.environ.keys()}
    try:
        yield
    finally:
        os.environ.update(named)


def list_files(folder: Path, *paths: str) -> list[str]:
    """List the files of the working tree that git has or would take, from the folder.

    paths: those, or what is in them, alone. Some may be gone, submodules are among them.
    """
    # Each name follows a letter and a space: git() strips what it returns.
    options = ("-z", "-t", "--cached", "--others", "--exclude-standard")
    listed = git("ls-files", *options, "--", *paths, folder=folder).split("\0")
    return list(dict.fromkeys(entry[2:] for entry in listed if entry))


def is_behind_link(folder: Path, name: str) -> bool:
    """Tell whether a name that git lists lies, by now, where a link leads."""
    parents = [folder / parent for parent in Path(name).parents]
    return any(parent.is_symlink() for parent in parents[:-1])  # the last is `folder`


def hash_worktree(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash files and links as `git add` would, by its filters and attributes, without adding them.

    names: of what is there, from the folder. A submodule has the hash of its commit.
    """
    with TemporaryDirectory(prefix="reprise-") as temporary:
        listed, index = Path(temporary) / "names", Path(temporary) / "index"
        listed.write_bytes(b"\0".join(map(os.fsencode, names)))
        known = Path(folder, git("rev-parse", "--git-path", "index", folder=folder))
        if known.exists():
            shutil.copy2(known, index)  # what it knows of unchanged files, git does not read again
        objects = Path(folder, git("rev-parse", "--git-path", "objects", folder=folder)).resolve()
        environment = {
            **without_repository(os.environ),
            "GIT_OBJECT_DIRECTORY": temporary,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": json.dumps(str(objects), ensure_ascii=False),
        }
        options = ["-C", str(folder.resolve()), "--literal-pathspecs"]
        options += ["-c", "core.safecrlf=false", "-c", f"core.hooksPath={os.devnull}"]
        taken = [f"--pathspec-from-file={listed}", "--pathspec-file-nul"]
        git(*options, "add", "--force", *taken, environment=environment, index=index)
        stages = git(*options, "ls-files", "--stage", "-z", environment=environment, index=index)
    hashes = {}
    for entry in filter(None, stages.split("\0")):
        described, _, name = entry.partition("\t")
        hashes[name] = described.split()[1]
    return hashes


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


def branch_without_commits() -> list[str]:
    """Name the branch of the first commit to come, in full and in short; none outside of git."""
    try:
        full = git("symbolic-ref", "--quiet", "HEAD")
    except PipelineError:
        return []
    return [full, full.removeprefix("refs/heads/")]


def is_shallow() -> bool:
    """Tell whether this clone lacks a part of its history."""
    return git("rev-parse", "--is-shallow-repository") == "true"
