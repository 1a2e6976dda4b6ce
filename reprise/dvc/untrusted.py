"""Checks records and files of DVC's that somebody else may have written, before DVC acts by them.

DVC makes paths of hashes, and of the names in a folder's listing, whatever stands there: it would
remove, read or write files elsewhere, on this machine or where somebody pulls the branch.
"""

import re
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

from dvc_data.hashfile.hash import file_md5
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reprise.dvc.yaml.limits import parse_limited_yaml
from reprise.errors import PipelineError

# Where DVC keeps a file: since version 3, and before, when it took both line ends of text for one.
OBJECT = re.compile(r"(files/md5/)?([0-9a-f]{2})/([0-9a-f]{30})(\.dir)?")
UNLISTED = {"", ".", "..", ".dvc", ".git", ".hg"}  # names that DVC never lists
# What a .dvc file records of the data itself, which an update of an import changes.
RECORDED = {
    *("checksum", "cloud", "etag", "files", "hash", "isexec"),
    *("md5", "nfiles", "rev_lock", "size", "version_id"),
}


def _check_name(name: str) -> str:
    if not UNLISTED.isdisjoint(name.casefold().split("/")):
        raise ValueError("expected a name within the folder")
    return name


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]
FileHash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, AfterValidator(_check_name)]


class _ListedFile(BaseModel):
    """Holds an entry of a `.dir` file: DVC would take any other key for a hash."""

    model_config = ConfigDict(extra="forbid")

    md5: FileHash
    relpath: Name


class _CloudFile(BaseModel):
    """Holds what a storage with versions knows of a file."""

    md5: FileHash | None = None


class _File(_CloudFile):
    relpath: Name
    cloud: dict[str, _CloudFile] = {}


class _Repository(BaseModel):
    rev_lock: str | None = Field(None, pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")


class _Dep(BaseModel):
    md5: Hash | None = None
    repo: _Repository | None = None
    files: list[_File] = []
    cloud: dict[str, _CloudFile] = {}


class _Out(_Dep):
    hash: Literal["md5"] | None = None


class _Stage(BaseModel):
    deps: list[_Dep] | None = None
    outs: list[_Out] | None = None


class _Lock(BaseModel):
    version: Literal["2.0"] = Field(alias="schema")
    stages: dict[str, _Stage] = {}


_LISTING = TypeAdapter(list[_ListedFile])
_STAGE = TypeAdapter(_Stage)
_LOCK = TypeAdapter(_Lock)


def is_record(path: Path) -> bool:
    """Tell whether DVC records hashes in the file."""
    return path.name == "dvc.lock" or path.suffix == ".dvc"


def check_record(path: Path, text: str, base_text: str) -> None:
    """Raise PipelineError unless a changed record has hashes where DVC has them.

    Of a .dvc file nothing else may change: it says where data come from.
    """
    record = parse_limited_yaml(text, str(path))
    base = parse_limited_yaml(base_text, str(path))
    if path.suffix == ".dvc":
        if _without_recorded(record) != _without_recorded(base):
            raise PipelineError(
                f"{path}: found another import than the base's; expected a change of its data only"
            )
        _validate(str(path), _STAGE, record)
        return
    _validate(str(path), _LOCK, record)
    if record.get("datasets") != base.get("datasets"):
        raise PipelineError(f"{path}: found other datasets; expected those of the base")


def _without_recorded(value: Any) -> Any:
    """Leave out what is recorded of data, at any depth."""
    if isinstance(value, dict):
        return {key: _without_recorded(value[key]) for key in value.keys() - RECORDED}
    if isinstance(value, list):
        return [_without_recorded(item) for item in value]
    return value


def check_files(data: Path) -> None:
    """Raise PipelineError unless each file in the folder has the hash that its path says.

    A link might lead to a file that is not to be published.
    """
    for path in [data, *data.rglob("*")]:
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        place = OBJECT.fullmatch(path.relative_to(data).as_posix())
        if place is None or not stat.S_ISREG(mode):
            raise PipelineError(f"{path}: found no file of DVC's; expected nothing else")
        layout, start, rest, listing = place.groups()
        algorithm = "md5-dos2unix"
        if layout:
            algorithm = "md5"
        found = file_md5(str(path), name=algorithm)
        if found != start + rest:
            raise PipelineError(f"{path}: found other bytes; expected those of this hash")
        if listing:
            _validate(str(path), _LISTING, path.read_bytes())


def _validate(where: str, kind: TypeAdapter[Any], value: Any) -> None:
    """Raise PipelineError unless the value, or JSON's value if it is bytes, is of the kind."""
    try:
        if isinstance(value, bytes):
            kind.validate_json(value)
        else:
            kind.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        found = str(first["input"])[:80]
        raise PipelineError(f"{where}: {key}: found {found!r}: {first['msg']}") from None
