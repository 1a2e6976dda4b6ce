"""Gives git over HTTPS its credentials: in git's own environment, never in an address or a file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from reprise.forge.registry import find_provider

LOCAL_HOSTS = ("127.0.0.1", "localhost")
ANY_USER = "x-access-token"  # forges look at the token alone
# git asks helpers of the user's own configuration before this one.
HELPER = '!f() { test "$1" = get && echo "password=$REPRISE_GIT_TOKEN"; }; f'
# Of a user alone, who may be a token: git itself tries him without a password before it asks.
HELPER_OF_A_USER = (
    '!f() { test "$1" = get && test -z "$GIT_ASKPASS$SSH_ASKPASS$(git config core.askPass)"'
    " && echo password=; }; f"
)


@dataclass(frozen=True)
class Login:
    """Holds a user and a token.

    user: None where any will do, as for a token of a forge; itself a token in some addresses, such
    as https://token@github.com/owner/name.
    """

    user: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def split_login(address: str) -> tuple[str, Login]:
    """Take user and password out of an HTTP address: others can read arguments and files."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address, Login()
    login, _, host = parts.netloc.rpartition("@")
    user, _, token = login.partition(":")
    bare_address = parts._replace(netloc=host).geturl()
    return bare_address, Login(unquote(user) or None, unquote(token) or None)


def git_environment(
    address: str, login: Login, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Copy the environment, and add what git is to show the address's host.

    A login without a token takes the one that the environment has for the address's forge.
    """
    parts = urlsplit(address)
    result = dict(environment)
    if not _is_private(parts):
        return result
    user = login.user
    token = login.token or _token_of_forge(parts.hostname or "", environment)
    section = f"credential.{parts.scheme}://{parts.netloc}"
    settings = {}
    if token:
        result["REPRISE_GIT_TOKEN"] = token
        settings[f"{section}.helper"] = HELPER
        user = user or ANY_USER
    elif user:
        settings[f"{section}.helper"] = HELPER_OF_A_USER
    if user:
        settings[f"{section}.username"] = user
    _add_git_config(result, settings)
    return result


def _is_private(parts: SplitResult) -> bool:
    """Tell whether nobody on the way can read what is sent."""
    if parts.scheme == "http":
        return parts.hostname in LOCAL_HOSTS
    return parts.scheme == "https"


def _token_of_forge(host: str, environment: Mapping[str, str]) -> str | None:
    """Find the host's own token: it is shown to no other forge."""
    provider = find_provider(host, environment)
    if provider is None:
        return None
    return environment.get(provider.token_variable)


def _add_git_config(environment: dict[str, str], settings: Mapping[str, str]) -> None:
    """Add git's settings to the environment, after those that it already has."""
    count = int(environment.get("GIT_CONFIG_COUNT", "0"))
    for key, value in settings.items():
        environment[f"GIT_CONFIG_KEY_{count}"] = key
        environment[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    environment["GIT_CONFIG_COUNT"] = str(count)
