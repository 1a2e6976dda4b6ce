"""Downloads files with retry, resume and checksums, or takes them from a folder."""

import gzip
import hashlib
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformdirs import user_cache_path

from src.errors import InputError

if TYPE_CHECKING:
    from requests import Session

TRIES = 5
CHUNK = 1 << 16  # bytes


class Source(NamedTuple):
    """Names a file to download: its address, and its name in the folder."""

    url: str
    name: str
    sha256: str  # of the content that the gzip file holds


def obtain(sources: list[Source], folder: str | None, progress: bool) -> Path:
    """Return a folder that holds every file, its checksum verified.

    Without a folder given it is one in the user's cache, to which they are downloaded once. Where
    a download breaks off, the next run goes on. Raises InputError where a file is missing, differs
    or can't be fetched.
    """
    if folder is not None:
        for source in sources:
            verify(Path(folder) / source.name, source.sha256)
        return Path(folder)
    cache = private_folder(user_cache_path("reprise"))
    files = private_folder(private_folder(cache / "datasets") / sources[0].sha256[:12])
    for source in sources:
        path = files / source.name
        refuse_link(path)
        if not path.exists():
            download(source.url, path, progress)
        try:
            verify(path, source.sha256)
        except InputError:
            path.unlink()  # else the next run would stop at the same broken file
            raise
    return files


def private_folder(path: Path) -> Path:
    """Make the folder, which nobody but the user may enter, and return its path.

    Raises InputError where something else is in its place: somebody may have put it there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    refuse_link(path)
    if path.stat().st_uid != os.geteuid():
        raise InputError(path, "another user's folder", "yours; set XDG_CACHE_HOME to another one")
    path.chmod(0o700)
    return path


def refuse_link(path: Path) -> None:
    """Raise InputError if the path is a link: what is written there might end elsewhere."""
    if path.is_symlink():
        raise InputError(path, "a link", "none; remove it, or set XDG_CACHE_HOME to another folder")


def verify(path: Path, expected: str) -> None:
    """Raise InputError unless the gzip file is there and its content has this SHA-256."""
    try:
        with gzip.open(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(path, "no such file", "the official file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise InputError(path, str(e), "a whole gzip file") from None
    if found != expected:
        official = f"{expected[:12]}…, the official content's"
        raise InputError(path, f"SHA-256 {found[:12]}…", official)


def download(url: str, path: Path, progress: bool) -> None:
    """Fetch one file; each try goes on where the last broke off (HTTP range requests).

    Raises InputError when the server refuses the file, or after the last try.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    part = path.with_suffix(".part")
    refuse_link(part)
    retry = Retry(TRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        for attempt in range(1, TRIES + 1):
            try:
                resume(session, url, part, progress)
                part.replace(path)
                return
            except requests.HTTPError as e:
                raise InputError(url, str(e), "the file") from None
            except requests.RequestException as e:
                if attempt == TRIES:
                    hint = "a connection; or put the files in a folder and name it in fetch.folder"
                    raise InputError(url, f"{type(e).__name__} ({TRIES} tries)", hint) from None


def resume(session: "Session", url: str, part: Path, progress: bool) -> None:
    """Append what the part lacks; start anew where the server ignores the range."""
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    with session.get(url, headers=headers, stream=True, timeout=30) as response:
        if response.status_code == 416:  # nothing is missing
            return
        response.raise_for_status()
        if response.status_code != 206:
            start = 0
        total = start + int(response.headers.get("Content-Length", 0))
        bar = tqdm(
            desc=part.stem,
            total=total or None,
            initial=start,
            unit="B",
            unit_scale=True,
            disable=None if progress else True,  # None: where stderr is no terminal
        )
        mode = "ab" if start else "wb"
        with part.open(mode) as file, bar:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
