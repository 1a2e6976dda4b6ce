"""What somebody else wrote leads DVC nowhere but to its own data."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from reprise.dvc.untrusted import check_files, check_record
from reprise.errors import PipelineError

HASH = "0123456789abcdef0123456789abcdef"
BAD_HASHES = [
    "",
    "..",
    "01../../../x",
    f"{HASH}./../../x",
    f"{HASH}.dir/../x",
    f"/{HASH[1:]}",
    f"{HASH}\n",
    HASH[:-1],
    HASH.upper(),
    7,
]
BAD_NAMES = ["", "..", "../x", "a/../../x", "/x", "a//x", "./x", ".git/config", "a/.GIT", ".dvc/x"]


def out(**fields: Any) -> dict[str, Any]:
    return {"path": "x", "hash": "md5", "md5": HASH, "size": 1, **fields}


def lock(**stage: Any) -> str:
    return json.dumps({"schema": "2.0", "stages": {"a": {"cmd": "true", **stage}}})


def imported(dep: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"md5": HASH, "frozen": True, "deps": [dep], "outs": [out()], **fields})


def store(data: Path, content: bytes, suffix: str = "", layout: str = "files/md5") -> Path:
    name = hashlib.md5(content).hexdigest() + suffix
    path = data / layout / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "stage",
    [
        {"outs": [out(), out(md5=f"{HASH}.dir", nfiles=2)], "params": {"p": {"md5": "../x"}}},
        {"outs": [{"path": "x", "md5": HASH}]},  # of DVC 2
        {"deps": [{"path": "s3://b/x", "etag": "an etag", "size": 1}]},
        {"outs": [{"path": "x", "files": [{"relpath": "a/b", "md5": HASH, "size": 1}]}]},
        {"outs": [out(cloud={"store": {"etag": "e", "version_id": "v"}})]},
        {},
    ],
)
def test_what_dvc_records_is_taken(stage: dict[str, Any]) -> None:
    check_record(Path("dvc.lock"), lock(**stage), lock())


@pytest.mark.parametrize("value", BAD_HASHES)
def test_a_hash_that_is_a_path_is_refused(value: Any) -> None:
    file = {"relpath": "a", "md5": value}
    for entry in (
        out(md5=value),
        out(files=[file]),
        out(cloud={"store": {"md5": value}}),
        out(files=[{"relpath": "a", "cloud": {"store": {"md5": value}}}]),
    ):
        for kind in ("deps", "outs"):
            with pytest.raises(PipelineError, match=rf"^dvc.lock: stages\.a\.{kind}\.0\..*: found"):
                check_record(Path("dvc.lock"), lock(**{kind: [entry]}), lock())
        with pytest.raises(PipelineError, match=r"^x.dvc: outs\.0\..*: found"):
            new = imported({"path": "/y"}, outs=[entry])
            check_record(Path("x.dvc"), new, imported({"path": "/y"}))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leaves_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    """Else it is written where somebody pulls the branch."""
    entry = {"relpath": name, "md5": HASH}
    with pytest.raises(PipelineError, match=r"files\.0\.relpath: found"):
        check_record(Path("dvc.lock"), lock(outs=[out(files=[entry])]), lock())
    path = store(tmp_path / "data", json.dumps([entry]).encode(), ".dir")
    with pytest.raises(PipelineError, match=rf"^{path}: 0\.relpath: found"):
        check_files(tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", "found '"),
        ("{}", "schema: found"),
        ('{"schema": "1.0"}', "schema: found '1.0'"),
        ('{"schema": "2.0", "stages": []}', "stages: found"),
        (lock(outs={}), "stages.a.outs: found"),
        (lock(outs=[out(hash="etag", etag="../x")]), "stages.a.outs.0.hash: found 'etag'"),
        ('{"schema": "2.0", "datasets": [{"url": "x"}]}', "found other datasets"),
    ],
)
def test_a_lock_of_another_form_is_refused(text: str, found: str) -> None:
    with pytest.raises(PipelineError) as caught:
        check_record(Path("dvc.lock"), text, lock())
    assert found in str(caught.value)


REPOSITORY = {"path": "x", "repo": {"url": "https://host/r", "rev_lock": "a" * 40}}


@pytest.mark.parametrize("dep", [{"path": "/y", "md5": HASH, "size": 1}, REPOSITORY])
def test_an_update_of_an_import_is_taken_and_another_import_refused(dep: dict[str, Any]) -> None:
    path, base = Path("x.dvc"), imported(dep)
    newer = {**dep, "etag": "e", "size": 2}
    if "repo" in dep:
        newer = {**dep, "repo": {**dep["repo"], "rev_lock": "b" * 40}}
    check_record(path, imported(newer, md5="f" * 32, outs=[out(md5="e" * 32, size=9)]), base)
    for other in (
        imported({**dep, "path": "/etc/passwd"}),
        imported({**dep, "repo": {"url": "https://evil.example/r"}}),
        imported(dep, outs=[out(path="y")]),
        imported(dep, outs=[out(remote="y")]),
        imported(dep, wdir=".."),
        imported(dep, cmd="touch bad"),
    ):
        with pytest.raises(PipelineError, match=r"^x\.dvc: found another import than the base's"):
            check_record(path, other, base)


@pytest.mark.parametrize("revision", ["main", "--upload-pack=touch bad", "a" * 41, 7])
def test_a_revision_that_is_no_commit_is_refused(revision: Any) -> None:
    """DVC writes none, and gives it to git."""
    dep = {**REPOSITORY, "repo": {"url": "https://host/r", "rev_lock": revision}}
    with pytest.raises(PipelineError, match=r"^x\.dvc: deps\.0\.repo\.rev_lock: found"):
        check_record(Path("x.dvc"), imported(dep), imported(REPOSITORY))


def test_files_of_dvc_are_taken(tmp_path: Path) -> None:
    """Version 2 kept them in another place, and took both line ends of text for one."""
    data = tmp_path / "data"
    store(data, b"bytes")
    store(data, json.dumps([{"md5": HASH, "relpath": "a/..b/c d"}]).encode(), ".dir")
    store(data, b"text\n", layout="").write_bytes(b"text\r\n")
    check_files(data)


@pytest.mark.parametrize(
    "listing",
    [
        "no JSON",
        "{}",
        '[{"relpath": "a"}]',
        f'[{{"relpath": "a", "md5": "{HASH}", "sha256": "x"}}]',
    ],
)
def test_a_listing_of_another_form_is_refused(listing: str, tmp_path: Path) -> None:
    path = store(tmp_path / "data", listing.encode(), ".dir")
    with pytest.raises(PipelineError, match=rf"^{path}: .*found"):
        check_files(tmp_path / "data")


def test_links_and_other_files_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    file = store(whole, b"bytes")
    for number, place in enumerate([whole, *whole.rglob("*")]):
        data = tmp_path / f"data{number}"
        moved = data / place.relative_to(whole)
        moved.parent.mkdir(parents=True, exist_ok=True)
        moved.symlink_to(place)
        with pytest.raises(PipelineError, match=rf"^{moved}: found no file of DVC's"):
            check_files(data)
    (whole / "files" / "config").touch()
    with pytest.raises(PipelineError, match="files/config: found no file of DVC's"):
        check_files(whole)
    (whole / "files" / "config").unlink()
    file.write_bytes(b"other")
    file.chmod(0o444)
    with pytest.raises(PipelineError, match=rf"^{file}: found other bytes"):
        check_files(whole)
