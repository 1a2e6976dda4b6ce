"""What git over HTTPS shows a host: in the environment of git alone, never in an address, a file or an argument."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from reprise.forge.hosts import provider_of

LOCAL = ("127.0.0.1", "localhost")
# git asks helpers of the user's own configuration before this one.
HELPER = '!f() { test "$1" = get && echo "password=$REPRISE_GIT_TOKEN"; }; f'


@dataclass(frozen=True)
class Login:
    """user: None where any will do, as for a token of a forge."""

    user: str | None = None
    token: str | None = field(default=None, repr=False)


def without_login(address: str) -> tuple[str, Login]:
    """An HTTP address without its user and password, and these: arguments and files are read by others."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address, Login()
    who, _, host = parts.netloc.rpartition("@")
    user, _, token = who.partition(":")
    return parts._replace(netloc=host).geturl(), Login(
        unquote(user) or None, unquote(token) or None
    )


def git_environment(
    address: str, login: Login, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """login: without a token, it is the one that the environment has for the address's forge."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOCAL):
        return dict(environment)
    token = login.token or _token(host, environment)
    user = login.user or ("x-access-token" if token else None)
    section = f"credential.{parts.scheme}://{parts.netloc}"
    config = {f"{section}.username": user, f"{section}.helper": HELPER if token else None}
    made = dict(environment)
    number = int(environment.get("GIT_CONFIG_COUNT", "0"))
    for key, value in config.items():
        if value is not None:
            made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
            number += 1
    made["GIT_CONFIG_COUNT"] = str(number)
    return made | ({"REPRISE_GIT_TOKEN": token} if token else {})


def _token(host: str, environment: Mapping[str, str]) -> str | None:
    """A token goes to its own forge alone."""
    kind = provider_of(host, environment)
    return environment.get(kind.token) if kind else None
