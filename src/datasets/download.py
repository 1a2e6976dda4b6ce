"""Downloads files with retry, resume and checksums, or takes them from a folder."""

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple

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


@contextmanager
def obtain(sources: list[Source], folder: str | None, progress: bool) -> Iterator[Path]:
    """Yield a folder that holds every file, its checksum verified.

    Without a folder given they are downloaded; a download that breaks off stays, and the next run
    goes on from there. Raises InputError where a file is missing, differs or can't be fetched.
    """
    if folder is not None:
        for source in sources:
            verify(Path(folder) / source.name, source.sha256)
        yield Path(folder)
        return
    parts = Path(gettempdir()) / f"reprise-{sources[0].sha256[:12]}"
    parts.mkdir(exist_ok=True)
    for source in sources:
        path = parts / source.name
        if not path.exists():
            download(source.url, path, progress)
        try:
            verify(path, source.sha256)
        except InputError:
            path.unlink()  # else the next run would stop at the same broken file
            raise
    yield parts
    shutil.rmtree(parts)


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
        with part.open("ab" if start else "wb") as file, bar:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
