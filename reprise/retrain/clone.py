"""Keeps a clone of a repository, in which retraining works: never in the user's checkout."""

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
from reprise.git import check_address, git, redacted
from reprise.process.groups import end_noted_group
from reprise.retrain.checkout import Checkout
from reprise.state.folders import StateFolders

ADDRESS = re.compile(r"[\w+.-]+://|[\w.-]+@[\w.-]+:")
KEPT = (".dvc/cache", ".dvc/tmp", ".dvc/config.local")  # from run to run


def find_source(repository: str) -> tuple[str, Path | None]:
    """Find where to clone from and push to, and the checkout that was named, if one was.

    repository: an address, a bare repository, or a checkout, whose `origin` is meant.
    Raises PipelineError when it is none of these, or the checkout has no `origin`.
    """
    check_address(repository)
    if ADDRESS.match(repository):
        return repository, None
    path = Path(repository).resolve()
    if not path.is_dir():
        raise PipelineError(
            f"{redacted(repository)}: found no such folder; expected a git repository or its"
            " address"
        )
    try:
        is_bare = git("rev-parse", "--is-bare-repository", folder=path) == "true"
    except PipelineError as error:
        raise PipelineError(
            f"{repository}: found no git repository; expected one or its address ({error})"
        ) from None
    if is_bare:
        return str(path), None
    return _origin(repository, path), path


def _origin(repository: str, checkout: Path) -> str:
    if "origin" not in git("remote", folder=checkout).split():
        raise PipelineError(f"{repository}: found no git remote 'origin'; expected one to push to")
    address = check_address(git("remote", "get-url", "origin", folder=checkout))
    if ":" in address or address.startswith("/"):
        return address
    return str((checkout / address).resolve())


class Clone(Checkout):
    """Stands for a clone at the tip of the base branch. One process at a time works in it."""

    def __init__(self, repository: str, base: str, folder: Path, token: str | None = None) -> None:
        """Find the repository's address, and name the clone after it and the base.

        folder: where clones of all repositories are kept, from run to run; token: of the forge.
        """
        address, self._checkout = find_source(repository)
        address, login = split_login(address)
        login = Login(login.user, token or login.token)
        name = hashlib.sha256(f"{address}\n{base}".encode()).hexdigest()[:16]
        super().__init__(folder / name, address, login, folder / f"{name}.group")
        self.base = base
        self._lock = folder / f"{name}.lock"

    @contextmanager
    def locked(self, *, wait: bool) -> Iterator[bool]:
        """Keep other runs out during the block, and end what a killed one left.

        Yields False when another run works in the clone and `wait` is not asked for.
        """
        mode = fcntl.LOCK_EX
        if not wait:
            mode |= fcntl.LOCK_NB
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, mode)
            except BlockingIOError:
                yield False
                return
            end_noted_group(self.group_note)
            StateFolders.in_repository(self.root).clean_up_after_killed()
            yield True

    def has_uncommitted(self) -> bool:
        """Tell whether a checkout was named that has changes git does not know."""
        if self._checkout is None:
            return False
        status = git("--no-optional-locks", "status", "--porcelain", folder=self._checkout)
        return status != ""

    def renew(self) -> str:
        """Check out the base as its remote has it now, and return its commit.

        Whatever an earlier run left is gone, but DVC's cache stays.
        """
        if not self._is_sound():
            self._create()
        self._remove_locks()
        self._fetch()
        tip = self.tip()
        self.git("checkout", "--quiet", "--force", "--detach", tip)
        # Data that the base has no .gitignore line for must go.
        exclusions: list[str] = []
        for path in KEPT:
            exclusions += ("-e", path)
        self.git("clean", "-ffdxq", *exclusions)
        self._copy_local_config()
        return tip

    def _is_sound(self) -> bool:
        """Tell whether the folder is a whole clone of the address."""
        if not (self.root / ".git" / "HEAD").exists():
            return False
        try:
            return self.git("remote", "get-url", "origin") == self.address
        except PipelineError:
            return False

    def _create(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        part = self.root.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)  # data and models of a private repository
        git(
            *("clone", "--quiet", "--no-checkout", "--", self.address, str(part)),
            folder=part.parent,
            environment=git_environment(self.address, self._login),
        )
        part.replace(self.root)

    def _remove_locks(self) -> None:
        """Remove what a killed git or DVC left, perhaps half-written: nobody else works here."""
        locks_of_git = (self.root / ".git").rglob("*.lock")
        locks_of_dvc = (self.root / ".dvc" / "tmp").glob("*lock")
        for lock in [*locks_of_git, *locks_of_dvc]:
            lock.unlink()

    def _copy_local_config(self) -> None:
        """Copy the checkout's credentials for the DVC remote, which git does not have."""
        if self._checkout is None:
            return
        source = self._checkout / ".dvc" / "config.local"
        target = self.root / ".dvc" / "config.local"
        target.unlink(missing_ok=True)
        if not source.exists() or not target.parent.is_dir():
            return
        opener = partial(os.open, mode=0o600)  # nobody else may read it
        with open(target, "xb", opener=opener) as file:
            file.write(source.read_bytes())

    def tip(self) -> str:
        """Return the base's commit, as it was fetched last.

        Raises PipelineError when the remote has no such branch.
        """
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{self.base}")
        except PipelineError:
            raise PipelineError(
                f"{self.base}: found no such branch at the remote; expected the base"
            ) from None

    def has_moved(self, tip: str) -> bool:
        """Ask the remote whether the base's newest commit is another one by now."""
        self._fetch()
        return self.tip() != tip

    def _fetch(self) -> None:
        self.git("fetch", "--quiet", "--prune", "origin")
