"""Declares what a forge can do, and what its software is known by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from reprise.errors import PipelineError


@dataclass(frozen=True)
class Proposal:
    """Holds a pull request's address. closed: somebody did not want it, and it is left so."""

    address: str
    closed: bool = False


class Forge(Protocol):
    """Keeps the pull requests (GitLab: merge requests) of one project."""

    def comment(self, number: int, text: str, marker: str) -> str:
        """Update this token's comment that starts with the marker, or post one. Return its address.

        number: of the pull request.
        """

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        """Update the branch's pull request, or open one unless somebody closed one unmerged."""


@dataclass(frozen=True)
class Provider:
    """Describes a forge's software: its public host, its API, and the variables that its CI sets.

    connect: makes a client from the API's address, the project, and a token.
    api_path: leads from a server of one's own to its API.
    server_variable: names that server's address, or its host.
    commit_path, branch_path: lead from a project's page to that of a commit, before its hash, and
    to that of a branch, before its name.
    """

    connect: Callable[[str, str, str], Forge]
    public_host: str
    public_api: str
    api_path: str
    server_variable: str
    api_variable: str
    project_variable: str
    token_variable: str
    commit_path: str
    branch_path: str

    def serves(self, host: str, environment: Mapping[str, str]) -> bool:
        """Tell whether the host is the public one, or one that the environment names."""
        return host == self.public_host or host in self._named_hosts(environment)

    def api_address(self, host: str, environment: Mapping[str, str]) -> str:
        """Return the API's address: the environment's, if it names that host, or the usual one."""
        named = environment.get(self.api_variable)
        if named and host in self._named_hosts(environment):
            return named
        if host == self.public_host:
            return self.public_api
        return f"https://{host}{self.api_path}"

    def has_project_and_token(self, environment: Mapping[str, str]) -> bool:
        """Tell whether the environment is that of this forge's CI, with a token."""
        project = environment.get(self.project_variable)
        token = environment.get(self.token_variable)
        return bool(project and token)

    def connect_from_ci(self, environment: Mapping[str, str]) -> Forge:
        """Connect to the project whose CI this is. Raises PipelineError without a token."""
        token = environment.get(self.token_variable)
        if not token:
            raise PipelineError(
                f"environment: found no {self.token_variable}; "
                "expected a token that may write to pull requests"
            )
        address = environment.get(self.api_variable, self.public_api)
        return self.connect(address, environment[self.project_variable], token)

    def _named_hosts(self, environment: Mapping[str, str]) -> set[str | None]:
        server = environment.get(self.server_variable, "")
        api = environment.get(self.api_variable, "")
        return {_host(server), _host(api)}


def _host(address: str) -> str | None:
    """Take the host out of an address, which may be a host alone; None if it is empty."""
    if "://" not in address:
        address = f"//{address}"
    return urlsplit(address).hostname
