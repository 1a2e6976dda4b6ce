"""GitHub's and GitLab's REST: one comment a pull request, one pull request a branch."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from reprise.errors import PipelineError
from reprise.forge.hosts import GITHUB, provider_of

PAGE = 100
TIMEOUT = 30  # seconds
WHY = 200  # characters of what an API says of an error
RETRY = Retry(
    total=3,
    backoff_factor=1,
    status_forcelist=(502, 503, 504),
    allowed_methods=("GET", "PATCH", "PUT"),
)


class Forge(Protocol):
    """Where pull requests (GitLab: merge requests) live."""

    def comment(self, number: int, text: str, marker: str) -> str:
        """Updates this token's comment that starts with the marker, or posts one; its address."""

    def propose(self, branch: str, base: str, title: str, text: str) -> "Proposal":
        """Updates the open pull request of the branch, or opens one, unless somebody closed one unmerged."""


@dataclass(frozen=True)
class Proposal:
    """A pull request. closed: somebody did not want it, and it is left so."""

    address: str
    closed: bool = False


class RefusedError(PipelineError):
    """The API's answer is no success."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _found(answer: requests.Response, said: Any) -> str:
    """The status, and the API's own word of why."""
    why = said.get("message") if isinstance(said, dict) else "no JSON" if said is None else None
    return f"found {answer.status_code} {answer.reason}" + (f": {str(why)[:WHY]}" if why else "")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """With no auth of its own, requests puts what ~/.netrc has in place of the header."""
    return request


@dataclass(frozen=True)
class _Rest:
    """One API. The token goes into a header, never into an address or a message."""

    address: str
    headers: Mapping[str, str]

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The parsed answer. PipelineError names what was called and how it was answered.

        No redirect is followed: requests would take a token of GitLab's along, and make a GET of a POST.
        """
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=RETRY))
            session.mount("http://", HTTPAdapter(max_retries=RETRY))
            session.auth = _as_it_is
            session.headers.update(self.headers)
            try:
                answer = session.request(
                    method,
                    f"{self.address}{path}",
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    **arguments,
                )
                said = answer.json()
            except requests.JSONDecodeError:
                said = None
            except requests.RequestException as e:
                raise PipelineError(
                    f"{self.address}: {type(e).__name__}: no answer to {method} {path}"
                ) from None
        if not 200 <= answer.status_code < 300 or said is None:
            raise RefusedError(
                f"{self.address}: {method} {path}: {_found(answer, said)}", answer.status_code
            )
        return said

    def pages(self, path: str) -> Iterator[Any]:
        for page in range(1, 1000):
            found = self.call("GET", path, params={"per_page": PAGE, "page": page})
            yield from found
            if len(found) < PAGE:
                return


class GitHub:
    """https://docs.github.com/rest: issue comments and pulls. repository: `owner/name`."""

    def __init__(self, address: str, repository: str, token: str) -> None:
        accept = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        self._rest = _Rest(address.rstrip("/"), {"Authorization": f"Bearer {token}", **accept})
        self._repository, self._owner = repository, repository.split("/")[0]

    def comment(self, number: int, text: str, marker: str) -> str:
        path = f"/repos/{self._repository}/issues/{number}/comments"
        mine = self._login()
        for old in self._rest.pages(path):
            if old["body"].startswith(marker) and old["user"] and old["user"]["login"] == mine:
                edited = f"/repos/{self._repository}/issues/comments/{old['id']}"
                return str(self._rest.call("PATCH", edited, json={"body": text})["html_url"])
        return str(self._rest.call("POST", path, json={"body": text})["html_url"])

    def _login(self) -> str:
        """Of the token. The one that a workflow run has may not ask."""
        try:
            return str(self._rest.call("GET", "/user")["login"])
        except RefusedError as e:
            if e.status != 403:
                raise
            return "github-actions[bot]"

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        path = f"/repos/{self._repository}/pulls"
        asked = {"head": f"{self._owner}:{branch}", "base": base, "state": "all"}
        found = self._rest.call("GET", path, params=asked)
        for old in (pull for pull in found if pull["state"] == "open"):
            changed = self._rest.call(
                "PATCH", f"{path}/{old['number']}", json={"title": title, "body": text}
            )
            return Proposal(str(changed["html_url"]))
        for old in (pull for pull in found if not pull["merged_at"]):
            return Proposal(str(old["html_url"]), closed=True)
        made = self._rest.call(
            "POST", path, json={"head": branch, "base": base, "title": title, "body": text}
        )
        return Proposal(str(made["html_url"]))


class GitLab:
    """https://docs.gitlab.com/api: notes and merge requests. project: its number, or `group/name`."""

    def __init__(self, address: str, project: str, token: str) -> None:
        self._rest = _Rest(address.rstrip("/"), {"PRIVATE-TOKEN": token})
        self._path = f"/projects/{quote(project, safe='')}/merge_requests"

    def comment(self, number: int, text: str, marker: str) -> str:
        path = f"{self._path}/{number}"
        mine = self._rest.call("GET", "/user")["id"]
        address = self._rest.call("GET", path)["web_url"]
        for old in self._rest.pages(f"{path}/notes"):
            if old["body"].startswith(marker) and old["author"]["id"] == mine:
                self._rest.call("PUT", f"{path}/notes/{old['id']}", json={"body": text})
                return f"{address}#note_{old['id']}"
        made = self._rest.call("POST", f"{path}/notes", json={"body": text})
        return f"{address}#note_{made['id']}"

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        asked = {"source_branch": branch, "target_branch": base}
        every = self._rest.call("GET", self._path, params=asked)
        # A fork may have a branch of that name.
        found = [
            merge for merge in every if merge["source_project_id"] == merge["target_project_id"]
        ]
        for old in (merge for merge in found if merge["state"] == "opened"):
            changed = {"title": title, "description": text}
            return Proposal(
                str(self._rest.call("PUT", f"{self._path}/{old['iid']}", json=changed)["web_url"])
            )
        for old in (merge for merge in found if merge["state"] == "closed"):
            return Proposal(str(old["web_url"]), closed=True)
        made = {**asked, "title": title, "description": text}
        return Proposal(str(self._rest.call("POST", self._path, json=made)["web_url"]))


def forge(environment: Mapping[str, str] = os.environ) -> Forge:
    """By the variables that GitHub Actions and GitLab CI set, and a token: GITHUB_TOKEN or GITLAB_TOKEN."""
    if environment.get("GITHUB_REPOSITORY"):
        address = environment.get("GITHUB_API_URL", "https://api.github.com")
        return GitHub(
            address, environment["GITHUB_REPOSITORY"], _token(environment, "GITHUB_TOKEN")
        )
    if environment.get("CI_PROJECT_ID"):
        address = environment.get("CI_API_V4_URL", "https://gitlab.com/api/v4")
        return GitLab(address, environment["CI_PROJECT_ID"], _token(environment, "GITLAB_TOKEN"))
    raise PipelineError(
        "environment: found neither GITHUB_REPOSITORY nor CI_PROJECT_ID; expected one of them"
    )


def forge_of(address: str, environment: Mapping[str, str] = os.environ) -> Forge | None:
    """Of a git address; of what the environment names, where that is a folder. None without a token of that forge,
    or for an address of neither."""
    if address.startswith(("/", "file://")):
        pairs = (("GITHUB_REPOSITORY", "GITHUB_TOKEN"), ("CI_PROJECT_ID", "GITLAB_TOKEN"))
        return (
            forge(environment)
            if any(all(environment.get(name) for name in pair) for pair in pairs)
            else None
        )
    found = re.match(
        r"(?:[\w+.-]+://)?(?:[^/@]+@)?([\w.-]+)(?::\d+)?[:/](.+?)(?:\.git)?/?$", address
    )
    host, path = (found[1], found[2]) if found else ("", "")
    kind = provider_of(host, environment)
    if kind is None or not environment.get(kind.token):
        return None
    made = GitHub if kind is GITHUB else GitLab
    return made(kind.api_of(host, environment), path, environment[kind.token])


def _token(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise PipelineError(
            f"environment: found no {name}; expected a token that may write to pull requests"
        )
    return environment[name]
