"""The secret of the project's own server: nobody else may have read or written it."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from reprise.errors import PipelineError
from reprise.flows.server.secret import NAME, PROFILES, own_secret, write_profile

OWN = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_API_AUTH_STRING": "secret"}


def profiles(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / PROFILES).read_text())


def lines(settings: dict[str, str]) -> str:
    return "".join(f'{name} = "{value}"\n' for name, value in settings.items())


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
    assert profiles(tmp_path) == {"active": "serve", "profiles": {"serve": OWN}}


def test_the_user_s_other_profiles_and_settings_stay(tmp_path: Path) -> None:
    cloud = {"PREFECT_API_URL": "https://cloud.example/api", "PREFECT_API_KEY": "k"}
    before = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    text = 'active = "cloud"\n'
    for name, settings in (("cloud", cloud), ("serve", before)):
        text += f"[profiles.{name}]\n{lines(settings)}"
    (tmp_path / PROFILES).write_text(text)
    (tmp_path / PROFILES).chmod(0o644)
    for _ in range(2):
        write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")
        after = {"cloud": cloud, "serve": {"PREFECT_LOGGING_LEVEL": "DEBUG", **OWN}}
        assert profiles(tmp_path) == {"active": "cloud", "profiles": after}
        assert (tmp_path / PROFILES).stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_user_s_own_profiles_stays_and_they_do_too(tmp_path: Path) -> None:
    """As of who keeps such files in one place."""
    kept = tmp_path / "kept"
    kept.mkdir()
    cloud = {"PREFECT_API_URL": "https://cloud.example/api"}
    (kept / PROFILES).write_text(f'active = "cloud"\n[profiles.cloud]\n{lines(cloud)}')
    (kept / PROFILES).chmod(0o644)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(kept)
    (home / PROFILES).symlink_to(Path("..", "link", PROFILES))
    for _ in range(2):
        write_profile(home, "http://127.0.0.1:1/api", "secret")
        assert (home / PROFILES).is_symlink()
        assert profiles(kept) == {"active": "cloud", "profiles": {"cloud": cloud, "serve": OWN}}
        assert (kept / PROFILES).stat().st_mode & 0o777 == 0o600


def test_a_link_to_profiles_that_are_not_there_yet_makes_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / PROFILES).symlink_to(tmp_path / "later.toml")
    write_profile(home, "http://127.0.0.1:1/api", "secret")
    assert (home / PROFILES).is_symlink()
    assert (tmp_path / "later.toml").stat().st_mode & 0o777 == 0o600
    assert profiles(home) == {"active": "serve", "profiles": {"serve": OWN}}


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_link_to_what_others_may_write_is_replaced(mode: int, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "other").chmod(mode)
    home = tmp_path / "home"
    home.mkdir()
    (home / PROFILES).symlink_to(tmp_path / "other")
    write_profile(home, "http://127.0.0.1:1/api", "secret")
    assert (tmp_path / "other").read_text() == ""
    assert not (home / PROFILES).is_symlink()


@pytest.mark.parametrize("target", [PROFILES, "gone/profiles.toml"])
def test_a_link_that_leads_nowhere_is_replaced_or_one_line(target: str, tmp_path: Path) -> None:
    (tmp_path / PROFILES).symlink_to(tmp_path / target)
    if target == PROFILES:
        write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")
        assert profiles(tmp_path)["profiles"] == {"serve": OWN}
    else:
        with pytest.raises(PipelineError, match=r"profiles.toml: found .*; expected Prefect's"):
            write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")


@pytest.mark.parametrize(
    "text", [b"active = ", b"\xff", b"profiles = 7", b"[profiles]\na = 7", b"[[profiles]]\na = 1"]
)
def test_profiles_that_can_t_be_read_are_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / PROFILES).write_bytes(text)
    with pytest.raises(PipelineError, match=r"profiles.toml: found .*; expected Prefect's") as e:
        write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")
    assert len(str(e.value).splitlines()) == 1
    assert (tmp_path / PROFILES).read_bytes() == text


def test_a_folder_in_place_of_the_profiles_is_one_line(tmp_path: Path) -> None:
    (tmp_path / PROFILES).mkdir()
    with pytest.raises(PipelineError, match=r"profiles.toml: found .*; expected Prefect's"):
        write_profile(tmp_path, "http://127.0.0.1:1/api", "secret")
