"""Speaks to GitHub: issue comments and pulls of https://docs.github.com/rest."""

from reprise.forge.provider import Proposal, Provider
from reprise.forge.rest import RefusedError, RestApi

ACCEPT = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
WORKFLOW_LOGIN = "github-actions[bot]"


class GitHub:
    """Keeps the pull requests of one repository."""

    def __init__(self, address: str, repository: str, token: str) -> None:
        """Take the API's address, and the repository as `owner/name`. Call nothing yet."""
        headers = {"Authorization": f"Bearer {token}", **ACCEPT}
        self._api = RestApi(address.rstrip("/"), headers)
        self._path = f"/repos/{repository}"
        self._owner = repository.split("/")[0]

    def comment(self, number: int, text: str, marker: str) -> str:
        """Update this token's comment that starts with the marker, or post one."""
        path = f"{self._path}/issues/{number}/comments"
        body = {"body": text}
        login = self._login()
        for comment in self._api.items(path):
            if not comment["body"].startswith(marker):
                continue
            author = comment["user"]  # none, when the account was deleted
            if author and author["login"] == login:
                path = f"{self._path}/issues/comments/{comment['id']}"
                return str(self._api.call("PATCH", path, json=body)["html_url"])
        return str(self._api.call("POST", path, json=body)["html_url"])

    def _login(self) -> str:
        """Ask whose the token is. The one that a workflow run has may not ask."""
        try:
            return str(self._api.call("GET", "/user")["login"])
        except RefusedError as error:
            if error.status != 403:
                raise
            return WORKFLOW_LOGIN

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        """Update the branch's pull request, or open one unless somebody closed one unmerged."""
        path = f"{self._path}/pulls"
        content = {"title": title, "body": text}
        query = {"head": f"{self._owner}:{branch}", "base": base, "state": "all"}
        pulls = self._api.call("GET", path, params=query)
        for pull in pulls:
            if pull["state"] == "open":
                updated = self._api.call("PATCH", f"{path}/{pull['number']}", json=content)
                return Proposal(str(updated["html_url"]))
        for pull in pulls:
            if not pull["merged_at"]:
                return Proposal(str(pull["html_url"]), closed=True)
        opened = self._api.call("POST", path, json={"head": branch, "base": base, **content})
        return Proposal(str(opened["html_url"]))


GITHUB = Provider(
    connect=GitHub,
    public_host="github.com",
    public_api="https://api.github.com",
    api_path="/api/v3",
    server_variable="GITHUB_SERVER_URL",
    api_variable="GITHUB_API_URL",
    project_variable="GITHUB_REPOSITORY",
    token_variable="GITHUB_TOKEN",  # noqa: S106
    commit_path="/commit/",
    branch_path="/tree/",
)
