"""A clone of a repository's own, in which retraining works: never the user's checkout."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reprise.errors import PipelineError
from reprise.forge.git_credentials import Login, git_environment, split_login
from reprise.git import git
from reprise.process.groups import end_noted_group
from reprise.state.folders import StateFolders


def source_of(repository: str) -> tuple[str, Path | None]:
    """Where to clone from and push to, and the checkout that was named, if one was.

    repository: an address, a bare repository, or a checkout, whose `origin` is meant.
    """
    if re.match(r"^[\w+.-]+://|^[\w.-]+@[\w.-]+:", repository):
        return repository, None
    path = Path(repository).resolve()
    if not path.is_dir():
        raise PipelineError(
            f"{repository}: found no such folder; expected a git repository or its address"
        )
    try:
        bare = git("rev-parse", "--is-bare-repository", folder=path)
    except PipelineError as e:
        raise PipelineError(
            f"{repository}: found no git repository; expected one or its address ({e})"
        ) from None
    if bare == "true":
        return str(path), None
    if "origin" not in git("remote", folder=path).split():
        raise PipelineError(f"{repository}: found no git remote 'origin'; expected one to push to")
    address = git("remote", "get-url", "origin", folder=path)
    relative = "://" not in address and not address.startswith("/") and ":" not in address
    return str((path / address).resolve()) if relative else address, path


class Clone:
    """The clone, at the tip of the base branch. One process at a time has it."""

    def __init__(self, repository: str, base: str, folder: Path, token: str | None = None) -> None:
        """folder: where clones of all repositories are kept, from run to run; token: of the forge."""
        address, self._checkout = source_of(repository)
        self.address, login = split_login(address)
        self._login = Login(login.user, token or login.token)
        self.base = base
        name = hashlib.sha256(f"{self.address}\n{base}".encode()).hexdigest()[:16]
        self.root = folder / name
        self.group = folder / f"{name}.group"  # names the process group of the command that runs
        self._lock = folder / f"{name}.lock"

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """False when another run has it and `wait` is not asked for. What a killed run left is ended."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            end_noted_group(self.group)
            StateFolders.in_repository(self.root).clean_up_after_killed()
            yield True

    def has_uncommitted(self) -> bool:
        """Whether the checkout that was named, if one was, has changes that git does not know."""
        return self._checkout is not None and bool(
            git("--no-optional-locks", "status", "--porcelain", folder=self._checkout)
        )

    def renew(self) -> str:
        """The base as its remote has it now, whatever an earlier run left; DVC's cache stays. The commit."""
        if not (self.root / ".git" / "HEAD").exists() or not self._is_sound():
            shutil.rmtree(self.root, ignore_errors=True)
            part = self.root.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True, mode=0o700)  # data and models of a private repository
            clone = ("clone", "--quiet", "--no-checkout", self.address, str(part))
            git(*clone, folder=part.parent, environment=git_environment(self.address, self._login))
            part.replace(self.root)
        for lock in (
            *(self.root / ".git").rglob("*.lock"),
            *(self.root / ".dvc" / "tmp").glob("*lock"),
        ):
            lock.unlink()  # of a killed git or DVC, perhaps half-written: nobody else works here
        self.git("fetch", "--quiet", "--prune", "origin")
        tip = self.tip()
        self.git("checkout", "--quiet", "--force", "--detach", tip)
        # Data that the base has no .gitignore line for must go; what DVC keeps for the next run may stay.
        self.git("clean", "-ffdxq", "-e", ".dvc/cache", "-e", ".dvc/tmp", "-e", ".dvc/config.local")
        self._copy_local_config()
        return tip

    def _is_sound(self) -> bool:
        try:
            return self.git("remote", "get-url", "origin") == self.address
        except PipelineError:
            return False

    def _copy_local_config(self) -> None:
        """The checkout's credentials for the DVC remote, which git does not have. Nobody else may read them."""
        if self._checkout is None:
            return
        source, target = (root / ".dvc" / "config.local" for root in (self._checkout, self.root))
        target.unlink(missing_ok=True)
        if source.exists() and target.parent.is_dir():
            with open(target, "xb", opener=partial(os.open, mode=0o600)) as file:
                file.write(source.read_bytes())

    def tip(self) -> str:
        """The base's commit. PipelineError when the remote has no such branch."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{self.base}")
        except PipelineError:
            raise PipelineError(
                f"{self.base}: found no such branch at the remote; expected the base"
            ) from None

    def moved(self, tip: str) -> bool:
        """Whether the base has other commits by now."""
        self.git("fetch", "--quiet", "--prune", "origin")
        return self.tip() != tip

    def git(self, *arguments: str, **more: str) -> str:
        """more: of its environment."""
        environment = {**git_environment(self.address, self._login), **more}
        return git(*arguments, folder=self.root, environment=environment)
