"""Datasets as tables; downloads against a real server on loopback that fails as servers do."""

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from src.datasets import download
from src.datasets.catalog import diabetes, digits, read_idx
from src.datasets.download import Source, obtain, verify
from src.errors import InputError
from tests.conftest import one_in

CONTENT = np.random.default_rng(0).bytes(300_000)
FILE = gzip.compress(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves FILE, in the mood that `moods` has for each request.

    "ok", "break" (off in the middle), an error status, or "deaf" (no ranges).
    """

    moods: list[str] = []
    ranges: list[str | None] = []

    def do_GET(self) -> None:
        mood = self.moods.pop(0) if self.moods else "ok"
        asked = self.headers["Range"]
        self.ranges.append(asked)
        if mood.isdigit():
            self.send_error(int(mood))
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked and mood != "deaf" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(FILE) - start))
        self.end_headers()
        self.wfile.write(FILE[start : start + 131_072] if mood == "break" else FILE[start:])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        Server.moods, Server.ranges = [], []
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/file.gz"
        httpd.shutdown()


@pytest.mark.parametrize("moods", [[], ["break", "break"], ["503", "ok"], ["break", "deaf"]])
def test_a_download_is_whole_after_breaks_and_errors(
    server: str, moods: list[str], tmp_path: Path
) -> None:
    Server.moods = list(moods)
    download.download(server, tmp_path / "file.gz", progress=False)
    assert (tmp_path / "file.gz").read_bytes() == FILE
    assert [p.name for p in tmp_path.iterdir()] == ["file.gz"]
    if moods[:2] == ["break", "break"]:
        assert Server.ranges == [None, "bytes=131072-", "bytes=262144-"]


def test_what_is_not_there_or_unreachable_is_one_line(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server.moods = ["404"]
    with pytest.raises(InputError, match="404"):
        download.download(server, tmp_path / "file.gz", progress=False)
    monkeypatch.setattr(download, "TRIES", 1)
    with pytest.raises(InputError, match="name it in fetch"):
        download.download("http://127.0.0.1:9/file.gz", tmp_path / "file.gz", progress=False)


def test_other_content_than_the_official_is_refused(server: str, tmp_path: Path) -> None:
    good = SHA256
    (tmp_path / "file.gz").write_bytes(
        gzip.compress(CONTENT, 1)
    )  # compressed otherwise: the same content
    verify(tmp_path / "file.gz", good)
    with pytest.raises(InputError, match="the official content's"):
        verify(tmp_path / "file.gz", "0" * 64)
    (tmp_path / "file.gz").write_bytes(FILE[:-100])
    with pytest.raises(InputError, match="a whole gzip file"):
        verify(tmp_path / "file.gz", good)
    with pytest.raises(InputError, match="no such file"):
        obtain([Source(server, "file.gz", good)], str(tmp_path / "none"), progress=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the downloads, not made yet; nothing may go into temporary folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "shared"))
    return tmp_path / "cache" / "reprise" / "datasets" / SHA256[:12]


def obtained(server: str) -> Path:
    return obtain([Source(server, "file.gz", SHA256)], None, progress=False)


def test_downloads_are_kept_in_a_folder_that_nobody_else_may_enter(
    server: str, cache: Path, tmp_path: Path
) -> None:
    cache.parents[1].mkdir(parents=True, mode=0o777)
    cache.parents[1].chmod(0o777)  # as another program, or an older umask, left it
    assert obtained(server) == cache
    assert (cache / "file.gz").read_bytes() == FILE
    for folder in (cache, *cache.parents[:2]):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert [*(tmp_path / "shared").iterdir()] == []
    obtained(server)
    assert Server.ranges == [None]  # the second time it is there


@pytest.mark.parametrize("place", ["..", "../..", ".", "file.gz", "file.part"])
@pytest.mark.parametrize("dangling", one_in(2, [False, True]))
def test_nothing_is_written_through_a_link(
    server: str, cache: Path, tmp_path: Path, place: str, dangling: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    link = Path(os.path.normpath(cache / place))
    if not dangling:
        elsewhere.write_bytes(b"mine") if link.suffix else elsewhere.mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(InputError, match=f"{link}: found a link; expected none; remove it, or set"):
        obtained(server)
    assert Server.ranges == []
    assert elsewhere.exists() is not dangling
    if elsewhere.is_file():
        assert elsewhere.read_bytes() == b"mine"
    elif not dangling:
        assert [*elsewhere.iterdir()] == []


def test_another_user_s_folder_is_refused(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match="found another user's folder; expected yours; set XDG_"):
        obtained(server)


def test_a_broken_download_is_not_kept(server: str, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "file.gz").write_bytes(FILE[:-100])
    with pytest.raises(InputError, match="a whole gzip file"):
        obtained(server)
    assert [*cache.iterdir()] == []


def test_idx_files_are_read_in_their_shape(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
    (tmp_path / "a.gz").write_bytes(gzip.compress(header + images.tobytes()))
    assert np.array_equal(read_idx(tmp_path / "a.gz"), images)


def test_embedded_datasets_are_tables() -> None:
    assert (digits().num_rows, digits().num_columns) == (1797, 65)
    assert (diabetes().num_rows, diabetes().num_columns) == (442, 11)
