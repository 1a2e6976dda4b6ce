"""The secret of the project's own server: nobody else may have read or written it."""

import os
from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.flows.server.secret import NAME, PROFILES, own_secret, write_profile


def test_it_is_its_owner_s_alone_and_stays(tmp_path: Path) -> None:
    home = tmp_path / "a/home"
    secret = own_secret(home)
    assert len(secret) >= 32
    assert (home / NAME).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert own_secret(home) == secret
    assert own_secret(tmp_path / "other") != secret


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_one_that_others_had_access_to_is_replaced(mode: int, tmp_path: Path) -> None:
    secret = own_secret(tmp_path)
    (tmp_path / NAME).chmod(mode)
    assert own_secret(tmp_path) != secret
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "\n", "admin:admin\n", " " * 40, "ä" * 40, 'x"' * 40])
def test_a_short_or_odd_one_is_replaced(text: str, tmp_path: Path) -> None:
    own_secret(tmp_path)
    (tmp_path / NAME).write_text(text)
    assert len(own_secret(tmp_path)) >= 32


def test_a_link_to_another_file_is_replaced_and_that_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("x" * 40)
    other.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    (home / NAME).symlink_to(other)
    assert own_secret(home) != "x" * 40
    assert other.read_text() == "x" * 40


def test_no_folder_for_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match=r"file.*: found .*; expected a folder"):
        own_secret(tmp_path / "file" / "home")


def test_the_profile_is_its_owner_s_alone_whatever_was_there(tmp_path: Path) -> None:
    (tmp_path / PROFILES).write_text("of others")
    (tmp_path / PROFILES).chmod(0o666)
    before = os.umask(0)
    try:
        write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")
    finally:
        os.umask(before)
    assert (tmp_path / PROFILES).stat().st_mode & 0o777 == 0o600
    assert 'PREFECT_API_AUTH_STRING = "secret"' in (tmp_path / PROFILES).read_text()
