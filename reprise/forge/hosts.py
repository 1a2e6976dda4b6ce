"""Which hosts are GitHub's and GitLab's: the public one, and those that the environment names as their CI does."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Provider:
    """A forge's software, by names of variables. server: of its address or host; api: of its API's address;
    path: from a server to its API."""

    token: str
    server: str
    api: str
    public: str
    public_api: str
    path: str

    def has(self, host: str, environment: Mapping[str, str]) -> bool:
        return host == self.public or host in self._named(environment)

    def api_of(self, host: str, environment: Mapping[str, str]) -> str:
        """As the environment has it, if it names that host; else as the software has it."""
        if environment.get(self.api) and host in self._named(environment):
            return environment[self.api]
        return self.public_api if host == self.public else f"https://{host}{self.path}"

    def _named(self, environment: Mapping[str, str]) -> set[str]:
        found = [environment.get(name) or "" for name in (self.server, self.api)]
        return {
            urlsplit(place if "://" in place else f"//{place}").hostname or "" for place in found
        } - {""}


GITHUB = Provider(
    "GITHUB_TOKEN",
    "GITHUB_SERVER_URL",
    "GITHUB_API_URL",
    "github.com",
    "https://api.github.com",
    "/api/v3",
)
GITLAB = Provider(
    "GITLAB_TOKEN",
    "CI_SERVER_HOST",
    "CI_API_V4_URL",
    "gitlab.com",
    "https://gitlab.com/api/v4",
    "/api/v4",
)


def provider_of(host: str, environment: Mapping[str, str]) -> Provider | None:
    """None for a host of neither."""
    return next((kind for kind in (GITHUB, GITLAB) if kind.has(host, environment)), None)
