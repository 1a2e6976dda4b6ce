"""The clone: where from, with which credentials, and what stays out."""

import base64
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.git import check_address, redacted
from reprise.git import git as reprise_git
from reprise.process.groups import note_group
from reprise.retrain.clone import Clone, find_source
from reprise.retrain.data import find_imports
from reprise.retrain.environment import unattended_environment

TOKEN = "t0ken-of-a-test"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository with one commit on main, beside a checkout of it."""
    git(tmp_path, "init", "-q", "--bare", "--initial-branch", "main", "origin.git")
    git(tmp_path, "clone", "-q", "origin.git", "checkout")
    git(tmp_path / "checkout", "checkout", "-qB", "main")
    git(tmp_path / "checkout", "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path / "checkout", "push", "-q", "origin", "main")
    return tmp_path / "origin.git"


class Private(SimpleHTTPRequestHandler):
    """Files for who has the token."""

    def do_GET(self) -> None:
        logins = (f"x-access-token:{TOKEN}", f"{TOKEN}:")  # as GitHub does
        expected = [f"Basic {base64.b64encode(login.encode()).decode()}" for login in logins]
        if self.headers["Authorization"] in expected:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving_private(repository: Path) -> Iterator[str]:
    """A bare repository's address on a server that asks for the token."""
    git(repository, "update-server-info")
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Private, directory=str(repository.parent))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{repository.name}"
        server.shutdown()
        thread.join()


@pytest.fixture
def private(origin: Path) -> Iterator[str]:
    with serving_private(origin) as address:
        yield address


def test_git_has_the_token_and_leaves_it_nowhere(private: str, tmp_path: Path) -> None:
    clone = Clone(private, "main", tmp_path / "work", TOKEN)
    assert len(clone.renew()) == 40
    assert TOKEN.encode() not in b"".join(
        f.read_bytes() for f in clone.root.rglob("*") if f.is_file()
    )
    assert TOKEN not in str(os.environ)
    with pytest.raises(
        PipelineError, match=r"git clone: fatal: .*(Authentication failed|could not read Username)"
    ):
        Clone(private, "main", tmp_path / "other", "wrong").renew()


@pytest.mark.parametrize("login", [f"x-access-token:{TOKEN}", TOKEN])
def test_a_token_in_the_address_is_left_nowhere_else(
    login: str, private: str, origin: Path, tmp_path: Path
) -> None:
    """As Prefect writes it into a clone: for GitHub, the token is the user."""
    address = private.replace("://", f"://{login}@")
    clone = Clone(address, "main", tmp_path / "work")
    assert len(clone.renew()) == 40
    assert clone.address == private  # that is what `git clone` is told
    assert TOKEN.encode() not in b"".join(
        f.read_bytes() for f in clone.root.rglob("*") if f.is_file()
    )
    assert clone.root.stat().st_mode & 0o777 == 0o700
    checkout = origin.parent / "checkout"
    git(checkout, "remote", "set-url", "origin", address)
    assert Clone(str(checkout), "main", tmp_path / "work").root == clone.root


def test_a_token_that_is_refused_is_shown_nowhere(private: str, tmp_path: Path) -> None:
    address = private.replace("://", "://wr0ng@")
    with pytest.raises(PipelineError, match="git clone: fatal: Authentication failed") as error:
        Clone(address, "main", tmp_path / "work").renew()
    assert "wr0ng" not in str(error.value)


def test_who_is_asked_for_the_password_of_a_user_still_is(
    private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\necho {TOKEN}\n")
    ask.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(ask))
    address = private.replace("://", "://x-access-token@")
    assert len(Clone(address, "main", tmp_path / "work").renew()) == 40


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError,
        match=r"found no git repository; expected one or its address \(git rev-parse: ",
    ):
        find_source(str(tmp_path))


BAD_ADDRESSES = [
    "-x@host:path",
    "-u://host/path",
    "--upload-pack=touch bad",
    "-",
    "ext::sh -c 'touch bad'",
    "ext::sh -c 'touch bad' x://y",
    "fd::17",
    "persistent-https::https://host/path",
    "ext://sh",
    "file+x://host/path",
    "::path",
    "ssh://-oProxyCommand=touch/path",
    "ssh://user@-oProxyCommand=touch/path",
    "user@-oProxyCommand=touch:path",
    "git+ssh://-oProxyCommand=touch/path",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_no_address_makes_git_run_a_command(
    address: str, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is that of the checkout's origin, or of an import, or git allows it."""
    for key, value in {"COUNT": "1", "KEY_0": "protocol.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ext:fd:")
    monkeypatch.chdir(tmp_path)
    said = "found an address that makes git run a command; expected a path, or an address of file,"
    with pytest.raises(PipelineError, match=said):
        Clone(address, "main", tmp_path / "work")
    checkout = origin.parent / "checkout"
    git(checkout, "config", "remote.origin.url", address)
    with pytest.raises(PipelineError, match=said):
        Clone(str(checkout), "main", tmp_path / "work")
    imported = {"deps": [{"path": "x", "repo": {"url": address}}], "outs": [{"path": "x"}]}
    (tmp_path / "x.dvc").write_text(json.dumps(imported))
    with pytest.raises(PipelineError, match=said):
        list(find_imports(tmp_path))
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    "address",
    [
        "https://user:t@host/o/r.git",
        "ssh://git@host:22/o/r",
        "git+ssh://git@host/o/r",
        "ssh+git://host/o/r",
        "git@host:o/r-x.git",
        "file:///o/-r",
        "[::1]:o/r",
        "/a::b/c",
        "./ext::x",
        "https://host/o/r?x=a::b",
    ],
)
def test_addresses_that_git_may_be_given(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("address", ["codecommit::eu-west-1://repo", "keybase://team/x/y"])
def test_another_protocol_is_one_that_the_user_allows(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PipelineError, match="that you trust and name in the environment's GIT_AL"):
        check_address(address)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:codecommit:keybase")
    assert check_address(address) == address


def test_git_follows_no_address_to_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may lead git elsewhere, and a repository's configuration may rewrite addresses."""
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL", raising=False)
    rewrite = f"url.ext::sh -c touch% {tmp_path}/bad%.insteadOf=https://host/"
    allow = ("-c", rewrite, "-c", "protocol.ext.allow=always")
    with unattended_environment(), pytest.raises(PipelineError, match="transport 'ext' not allow"):
        reprise_git(*allow, "ls-remote", "https://host/", folder=tmp_path)
    assert not (tmp_path / "bad").exists()
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https")
    with unattended_environment():
        assert os.environ["GIT_ALLOW_PROTOCOL"] == "https"


def test_names_of_files_may_be_any_bytes(origin: Path) -> None:
    checkout = origin.parent / "checkout"
    name = os.fsdecode(b"caf\xe9")
    (checkout / name).touch()
    names = reprise_git("ls-files", "-z", "--others", folder=checkout)
    assert names == f"{name}\0"
    reprise_git("add", "--", name, folder=checkout)
    assert reprise_git("ls-files", "-z", folder=checkout) == f"{name}\0"


def test_what_a_checkout_has_uncommitted_stays_out(origin: Path, tmp_path: Path) -> None:
    checkout = origin.parent / "checkout"
    clone = Clone(str(checkout), "main", tmp_path / "work")
    assert not clone.has_uncommitted()
    (checkout / "new").write_text("x")
    assert clone.has_uncommitted()
    clone.renew()
    assert [path.name for path in clone.root.iterdir()] == [".git"]
    assert not Clone(str(origin), "main", tmp_path / "work").has_uncommitted()


def test_what_a_killed_dvc_was_writing_is_removed(origin: Path, tmp_path: Path) -> None:
    clone = Clone(str(origin), "main", tmp_path / "work")
    clone.renew()
    tmp = clone.root / ".dvc" / "tmp"
    tmp.mkdir(parents=True)
    (tmp / "rwlock").touch()  # DVC refuses one that is cut off
    clone.renew()
    assert [*tmp.iterdir()] == []


def test_the_environment_of_a_hook_is_no_place_to_work(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = origin.parent / "checkout"
    before = {path: path.read_bytes() for path in (checkout / ".git").rglob("*") if path.is_file()}
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout))
    monkeypatch.setenv("GIT_INDEX_FILE", str(checkout / ".git" / "index"))
    clone = Clone(str(origin), "main", tmp_path / "work")
    clone.renew()
    assert Path(clone.git("rev-parse", "--show-toplevel")) == clone.root
    assert {
        path: path.read_bytes() for path in (checkout / ".git").rglob("*") if path.is_file()
    } == before
    with unattended_environment():
        assert "GIT_DIR" not in os.environ
    assert os.environ["GIT_DIR"] == str(checkout / ".git")


def test_git_and_ssh_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    with unattended_environment():
        assert (os.environ["GIT_TERMINAL_PROMPT"], os.environ["GIT_SSH_COMMAND"]) == (
            "0",
            "ssh -o BatchMode=yes",
        )
    assert "GIT_SSH_COMMAND" not in os.environ
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.sshCommand")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "ssh -i key")
    with unattended_environment():
        assert "GIT_SSH_COMMAND" not in os.environ
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -v")
    with unattended_environment():
        assert os.environ["GIT_SSH_COMMAND"] == "ssh -v"


@pytest.mark.parametrize("login", ["token", "user:token", "u:p@ss"])
def test_no_part_of_a_login_is_said(login: str) -> None:
    assert (
        redacted(f"fatal: 'https://{login}@host/o/r' of me@host")
        == "fatal: 'https://…@host/o/r' of me@host"
    )


def test_local_config_is_for_its_user_alone_and_goes_with_the_checkouts(
    origin: Path, tmp_path: Path
) -> None:
    checkout = origin.parent / "checkout"
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").touch()
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "dvc")
    git(checkout, "push", "-q", "origin", "main")
    (checkout / ".dvc" / "config.local").write_text("secret")
    clone = Clone(str(checkout), "main", tmp_path / "work")
    clone.renew()
    copy = clone.root / ".dvc" / "config.local"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("secret", 0o600)
    (checkout / ".dvc" / "config.local").unlink()
    clone.renew()
    assert not copy.exists()


def test_looking_for_changes_leaves_the_index_alone(origin: Path, tmp_path: Path) -> None:
    checkout = origin.parent / "checkout"
    (checkout / "file").write_text("x")
    git(checkout, "add", "file")
    os.utime(checkout / "file", (1, 1))  # git would note the new time
    before = (checkout / ".git" / "index").read_bytes()
    assert Clone(str(checkout), "main", tmp_path / "work").has_uncommitted()
    assert (checkout / ".git" / "index").read_bytes() == before


def test_commands_of_stages_that_a_killed_run_left_are_ended(origin: Path, tmp_path: Path) -> None:
    clone = Clone(str(origin), "main", tmp_path / "work")
    ended = subprocess.Popen(["true"])
    ended.wait()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as orphan:
        note_group(
            clone.root / ".dvc" / "tmp" / "reprise" / "groups" / f"{ended.pid}-1", orphan.pid
        )
        with clone.locked(wait=True):
            assert orphan.wait(5) == -signal.SIGKILL
