"""A forge's token for git over HTTPS: in the environment of git alone, never in an address, a file or an argument."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost")
# git asks helpers of the user's own configuration before this one.
HELPER = '!f() { test "$1" = get && echo username=x-access-token && echo "password=$REPRISE_GIT_TOKEN"; }; f'


def git_environment(address: str, token: str | None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """token: of the forge that the address is of; None: as the environment has it."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    token = token or _token(host, environment)
    if not token or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOCAL)):
        return dict(environment)
    number = int(environment.get("GIT_CONFIG_COUNT", "0"))
    config = {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"credential.{parts.scheme}://{parts.netloc.rpartition('@')[2]}.helper",
        f"GIT_CONFIG_VALUE_{number}": HELPER,
    }
    return {**environment, **config, "REPRISE_GIT_TOKEN": token}


def _token(host: str, environment: Mapping[str, str]) -> str | None:
    """A token goes to its own forge alone."""
    github = urlsplit(environment.get("GITHUB_SERVER_URL", "https://github.com")).hostname
    return environment.get("GITHUB_TOKEN" if host == github else "GITLAB_TOKEN")
