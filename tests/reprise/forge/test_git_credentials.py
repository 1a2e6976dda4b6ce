"""The credentials that git is shown: whose they are, and which host sees them."""

import pytest

from reprise.forge.git_credentials import Login, git_environment, split_login


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://u:p%40ss@h.org:1/o/r.git", ("https://h.org:1/o/r.git", Login("u", "p@ss"))),
        ("https://u@h.org/r", ("https://h.org/r", Login("u"))),
        ("https://h.org/r", ("https://h.org/r", Login())),
        ("ssh://git@h.org/r", ("ssh://git@h.org/r", Login())),
        ("git@h.org:r", ("git@h.org:r", Login())),
    ],
)
def test_an_address_and_its_login_are_told_apart(address: str, expected: tuple[str, Login]) -> None:
    assert split_login(address) == expected


@pytest.mark.parametrize("login", ["t0ken", "user:t0ken", "t0ken:x"])
def test_a_login_is_not_shown(login: str) -> None:
    """Nor its user: https://token@github.com is an address, too."""
    assert repr(split_login(f"https://{login}@h.org/r")) == "('https://h.org/r', Login())"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/o/r", "github"),
        ("https://github.example.org/o/r", "github"),
        ("https://gitlab.com/g/n.git", "gitlab"),
        ("https://gitlab.example.org/g/n.git", "gitlab"),
        ("http://gitlab.example.org/g/n.git", None),  # in the clear
        ("https://bitbucket.org/g/n", None),
        ("https://notgithub.com/o/r", None),
        ("git@github.com:o/r.git", None),
        ("/srv/git/r.git", None),
    ],
)
def test_a_token_goes_to_its_own_forge_alone(address: str, expected: str | None) -> None:
    hosts = {
        "GITHUB_API_URL": "https://github.example.org/api/v3",
        "CI_SERVER_HOST": "gitlab.example.org",
    }
    environment = {"GITHUB_TOKEN": "github", "GITLAB_TOKEN": "gitlab", **hosts}
    assert git_environment(address, Login(), environment).get("REPRISE_GIT_TOKEN") == expected
