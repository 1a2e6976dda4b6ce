"""Stands for a repository's working tree, and the remote that it was cloned from."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from reprise.forge.git_credentials import Login, git_environment
from reprise.git import git


class Checkout:
    """Runs git in a folder, with the credentials of its remote.

    root: of the DVC repository; address: of git's remote, without a login; group_note: a file that
    names the process group of the command that runs there.
    """

    def __init__(self, root: Path, address: str, login: Login, group_note: Path) -> None:
        self.root = root
        self.address = address
        self.group_note = group_note
        self._login = login

    def git(
        self,
        *arguments: str,
        index: Path | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Run git in the folder, with the credentials and these variables in its environment.

        index: a file in place of the repository's index.
        """
        environment = {**git_environment(self.address, self._login), **variables}
        return git(*arguments, folder=self.root, environment=environment, index=index)
