"""Speaks to GitLab: notes and merge requests of https://docs.gitlab.com/api."""

from typing import Any
from urllib.parse import quote

from reprise.forge.provider import Proposal, Provider
from reprise.forge.rest import RestApi


class GitLab:
    """Keeps the merge requests of one project."""

    def __init__(self, address: str, project: str, token: str) -> None:
        """Take the API's address, and the project's number or `group/name`. Call nothing yet."""
        self._api = RestApi(address.rstrip("/"), {"PRIVATE-TOKEN": token})
        self._path = f"/projects/{quote(project, safe='')}/merge_requests"

    def comment(self, number: int, text: str, marker: str) -> str:
        """Update this token's note that starts with the marker, or post one."""
        path = f"{self._path}/{number}"
        body = {"body": text}
        user = self._api.call("GET", "/user")["id"]
        address = self._api.call("GET", path)["web_url"]
        for note in self._api.items(f"{path}/notes"):
            if note["body"].startswith(marker) and note["author"]["id"] == user:
                self._api.call("PUT", f"{path}/notes/{note['id']}", json=body)
                return f"{address}#note_{note['id']}"
        posted = self._api.call("POST", f"{path}/notes", json=body)
        return f"{address}#note_{posted['id']}"

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        """Update the branch's merge request, or open one unless somebody closed one unmerged."""
        content = {"title": title, "description": text}
        branches = {"source_branch": branch, "target_branch": base}
        merge_requests = self._merge_requests(branches)
        for merge_request in merge_requests:
            if merge_request["state"] == "opened":
                path = f"{self._path}/{merge_request['iid']}"
                updated = self._api.call("PUT", path, json=content)
                return Proposal(str(updated["web_url"]))
        for merge_request in merge_requests:
            if merge_request["state"] == "closed":
                return Proposal(str(merge_request["web_url"]), closed=True)
        opened = self._api.call("POST", self._path, json={**branches, **content})
        return Proposal(str(opened["web_url"]))

    def _merge_requests(self, branches: dict[str, str]) -> list[Any]:
        """List the project's own: a fork may have a branch of that name too."""
        own = []
        for merge_request in self._api.call("GET", self._path, params=branches):
            if merge_request["source_project_id"] == merge_request["target_project_id"]:
                own.append(merge_request)
        return own


GITLAB = Provider(
    connect=GitLab,
    public_host="gitlab.com",
    public_api="https://gitlab.com/api/v4",
    api_path="/api/v4",
    server_variable="CI_SERVER_HOST",
    api_variable="CI_API_V4_URL",
    project_variable="CI_PROJECT_ID",
    token_variable="GITLAB_TOKEN",  # noqa: S106
    commit_path="/-/commit/",
    branch_path="/-/tree/",
)
