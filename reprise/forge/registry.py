"""Lists the known forges, and connects to the one that an environment or an address names."""

import os
import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from urllib.parse import quote

from reprise.errors import PipelineError
from reprise.forge.github import GITHUB
from reprise.forge.gitlab import GITLAB
from reprise.forge.provider import Forge, Provider

# To add a forge, write a file like github.py and name its provider here.
PROVIDERS: tuple[Provider, ...] = (
    GITHUB,
    GITLAB,
)
# A login, whose password may have an @, and a query stay out: either may be a secret.
GIT_ADDRESS = re.compile(
    r"(?:[\w+.-]+://(?:[^/\s]*@)?|(?:[^/@]+@)?)(?P<host>[\w.-]+)(?::\d+)?"
    r"[:/](?P<project>(?!/)[^?#]+?)(?:\.git)?/?(?:[?#].*)?$"
)


def find_provider(host: str, environment: Mapping[str, str]) -> Provider | None:
    """Find the software that the host runs; None when no forge knows the host."""
    for provider in PROVIDERS:
        if provider.serves(host, environment):
            return provider
    return None


def make_forge(environment: Mapping[str, str] = os.environ) -> Forge:
    """Connect to the forge whose CI this is, by the variables that it sets, and a token.

    Raises PipelineError when no forge's CI has set its variables, or the token is missing.
    """
    for provider in PROVIDERS:
        if environment.get(provider.project_variable):
            return provider.connect_from_ci(environment)
    names = " nor ".join(provider.project_variable for provider in PROVIDERS)
    raise PipelineError(f"environment: found neither {names}; expected one of them")


def forge_of_address(
    address: str, environment: Mapping[str, str] = os.environ, token: str | None = None
) -> Forge | None:
    """Connect to the forge that has the repository of a git address.

    A folder says nothing of its forge: there it is the one that the environment names.
    token: takes the place of the environment's. Returns None when there is no token of that
    forge, or no forge is known that has the address.
    """
    if token is not None:
        environment = _with_token(environment, token)
    if address.startswith(("/", "file://")):
        return _forge_of_environment(environment)
    parts = GIT_ADDRESS.match(address)
    if parts is None:
        return None
    host = parts["host"]
    provider = find_provider(host, environment)
    if provider is None or not environment.get(provider.token_variable):
        return None
    api = provider.api_address(host, environment)
    return provider.connect(api, parts["project"], environment[provider.token_variable])


def project_of_address(address: str) -> str | None:
    """Return the path of a repository on its host, such as `owner/name`; None for a folder."""
    if address.startswith(("/", ".", "file://")):
        return None
    parts = GIT_ADDRESS.match(address)
    if parts is None:
        return None
    return parts["project"]


def commit_page(
    address: str, commit: str, environment: Mapping[str, str] = os.environ
) -> str | None:
    """Return the address of a commit's page on the forge that has the repository.

    None where no forge is known that has the address.
    """
    return _page(address, attrgetter("commit_path"), commit, environment)


def branch_page(
    address: str, branch: str, environment: Mapping[str, str] = os.environ
) -> str | None:
    """Return the address of a branch's page; None where no forge is known that has the address."""
    return _page(address, attrgetter("branch_path"), branch, environment)


def _page(
    address: str, path: Callable[[Provider], str], name: str, environment: Mapping[str, str]
) -> str | None:
    """Return the address of a page below the project's. path: leads there, before the name."""
    parts = GIT_ADDRESS.match(address)
    if parts is None:
        return None
    host, project = parts["host"], parts["project"]
    provider = find_provider(host, environment)
    if provider is None:
        return None
    return f"https://{host}/{quote(project)}{path(provider)}{quote(name)}"


def _with_token(environment: Mapping[str, str], token: str) -> dict[str, str]:
    """Copy the environment, with the token as that of every forge: nobody says which it is of."""
    result = dict(environment)
    for provider in PROVIDERS:
        result[provider.token_variable] = token
    return result


def _forge_of_environment(environment: Mapping[str, str]) -> Forge | None:
    for provider in PROVIDERS:
        if provider.has_project_and_token(environment):
            return provider.connect_from_ci(environment)
    return None
