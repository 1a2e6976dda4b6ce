"""Which forge an environment or an address names, and what it takes to add one."""

from dataclasses import dataclass

import pytest

from reprise.errors import PipelineError
from reprise.forge import registry
from reprise.forge.git_credentials import Login, git_environment
from reprise.forge.github import GitHub
from reprise.forge.gitlab import GitLab
from reprise.forge.provider import Proposal, Provider
from reprise.forge.registry import (
    branch_page,
    commit_page,
    forge_of_address,
    make_forge,
    project_of_address,
)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "found neither GITHUB_REPOSITORY nor CI_PROJECT_ID"),
        ({"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": ""}, "found no GITHUB_TOKEN"),
        ({"CI_PROJECT_ID": "1"}, "found no GITLAB_TOKEN"),
    ],
)
def test_what_the_environment_lacks_is_named(environment: dict[str, str], expected: str) -> None:
    with pytest.raises(PipelineError, match=expected):
        make_forge(environment)


CI = {"GITHUB_REPOSITORY": "o/ci", "GITHUB_TOKEN": "a", "CI_PROJECT_ID": "9", "GITLAB_TOKEN": "b"}
OWN = {
    "GITHUB_SERVER_URL": "https://hub.test",
    "GITHUB_API_URL": "https://hub.test/api/v3",
    "CI_SERVER_HOST": "lab.test",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/o/r.git", GitHub("https://api.github.com", "o/r", "a")),
        ("git@github.com:o/r.git", GitHub("https://api.github.com", "o/r", "a")),
        ("ssh://git@hub.test:22/o/r", GitHub("https://hub.test/api/v3", "o/r", "a")),
        ("https://gitlab.com/g/s/n.git", GitLab("https://gitlab.com/api/v4", "g/s/n", "b")),
        ("lab.test:g/n", GitLab("https://lab.test/api/v4", "g/n", "b")),
        ("/srv/r.git", GitHub("https://hub.test/api/v3", "o/ci", "a")),
        ("https://bitbucket.org/o/r", None),
    ],
)
def test_the_address_says_which_forge_and_project(
    address: str, expected: GitHub | GitLab | None
) -> None:
    """The environment does where the address is a folder."""
    forge = forge_of_address(address, CI | OWN)
    assert (type(forge), vars(forge or object)) == (type(expected), vars(expected or object))


def test_a_folder_is_of_the_forge_whose_project_and_token_are_there() -> None:
    """One forge's project alone, without a token, is not connected to in the other's place."""
    environment = {"GITHUB_REPOSITORY": "o/ci", "CI_PROJECT_ID": "9", "GITLAB_TOKEN": "b"}
    forge = forge_of_address("/srv/r.git", environment)
    assert isinstance(forge, GitLab)
    assert vars(forge) == vars(GitLab("https://gitlab.com/api/v4", "9", "b"))


def test_a_given_token_is_taken_before_the_environment_s() -> None:
    forge = forge_of_address("https://gitlab.com/g/n", CI, token="given")
    assert isinstance(forge, GitLab)
    assert vars(forge) == vars(GitLab("https://gitlab.com/api/v4", "g/n", "given"))
    forge = forge_of_address("/srv/r.git", {"CI_PROJECT_ID": "9"}, token="given")
    assert isinstance(forge, GitLab)
    assert vars(forge) == vars(GitLab("https://gitlab.com/api/v4", "9", "given"))


@dataclass(frozen=True)
class Gitea:
    """All that a new forge's file holds: a client, and what its software is known by."""

    address: str
    repository: str
    token: str

    def comment(self, number: int, text: str, marker: str) -> str:
        return f"{self.address}/{number}"

    def propose(self, branch: str, base: str, title: str, text: str) -> Proposal:
        return Proposal(f"{self.address}/{branch}")


GITEA = Provider(
    connect=Gitea,
    public_host="gitea.com",
    public_api="https://gitea.com/api/v1",
    api_path="/api/v1",
    server_variable="GITEA_SERVER",
    api_variable="GITEA_API",
    project_variable="GITEA_REPOSITORY",
    token_variable="GITEA_TOKEN",
    commit_path="/commit/",
    branch_path="/src/branch/",
)
GITEA_CI = {"GITEA_SERVER": "https://tea.test", "GITEA_REPOSITORY": "o/r", "GITEA_TOKEN": "c"}


@pytest.fixture
def third_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what its line in the registry does."""
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, GITEA))


@pytest.mark.usefixtures("third_forge")
def test_a_new_forge_is_one_line_of_the_registry() -> None:
    """Its CI, its addresses, git's credentials and a token of the caller's all know it."""
    assert make_forge(GITEA_CI) == Gitea("https://gitea.com/api/v1", "o/r", "c")
    cases = {
        "https://gitea.com/o/r.git": Gitea("https://gitea.com/api/v1", "o/r", "c"),
        "git@tea.test:g/n.git": Gitea("https://tea.test/api/v1", "g/n", "c"),
        "/srv/r.git": Gitea("https://gitea.com/api/v1", "o/r", "c"),
    }
    for address, expected in cases.items():
        assert forge_of_address(address, GITEA_CI) == expected
    given = forge_of_address("https://gitea.com/o/r", {}, token="given")
    assert given == Gitea("https://gitea.com/api/v1", "o/r", "given")
    git = git_environment("https://tea.test/o/r", Login(), GITEA_CI)
    assert git["REPRISE_GIT_TOKEN"] == "c"
    assert isinstance(forge_of_address("https://github.com/o/r", CI | GITEA_CI), GitHub)
    message = "found neither GITHUB_REPOSITORY nor CI_PROJECT_ID nor GITEA_REPOSITORY; expected"
    with pytest.raises(PipelineError, match=message):
        make_forge({})


@pytest.mark.parametrize(
    ("address", "project", "page"),
    [
        ("https://github.com/o/r.git", "o/r", "https://github.com/o/r/commit/abc"),
        ("git@github.com:o/r.git", "o/r", "https://github.com/o/r/commit/abc"),
        ("https://user:secret@github.com/o/r", "o/r", "https://github.com/o/r/commit/abc"),
        ("ssh://git@hub.test:22/o/r", "o/r", "https://hub.test/o/r/commit/abc"),
        ("https://gitlab.com/g/s/n.git", "g/s/n", "https://gitlab.com/g/s/n/-/commit/abc"),
        ("lab.test:g/n", "g/n", "https://lab.test/g/n/-/commit/abc"),
        ("https://bitbucket.org/o/r", "o/r", None),
        ("https://t0ken@github.com/o/r", "o/r", "https://github.com/o/r/commit/abc"),
        ("https://u:t0@ken@github.com/o/r", "o/r", "https://github.com/o/r/commit/abc"),
        ("https://github.com/o/r.git?token=t0ken", "o/r", "https://github.com/o/r/commit/abc"),
        ("/srv/r.git", None, None),
        ("file:///srv/r.git", None, None),
        ("../r", None, None),
        ("", None, None),
        ('https://github.com/o/"><b>', 'o/"><b>', "https://github.com/o/%22%3E%3Cb%3E/commit/abc"),
    ],
)
def test_a_commit_has_a_page_where_the_forge_is_known(
    address: str, project: str | None, page: str | None
) -> None:
    """The page's address has no login; a folder is of no forge."""
    assert project_of_address(address) == project
    assert commit_page(address, "abc", CI | OWN) == page
    branch = branch_page(address, "retrain/abc", CI | OWN)
    assert branch == (page and page.replace("/commit/abc", "/tree/retrain/abc"))
