"""Writes and checks `passed.json`, which says which prepared data passed validation.

It holds the SHA-256 of each prepared file and nothing of the expectations, so that it stays the
same when an expectation changes and still passes: then no model is trained anew.
"""

import json
from pathlib import Path

from src.errors import InputError
from src.files import sha256, write_json
from src.schema import SPLITS

NAMES = [*(f"{split}.parquet" for split in SPLITS), "schema.json"]


def write_passed(prepared: Path, validated: Path) -> None:
    """Say that the prepared data passed."""
    write_json(validated / "passed.json", {name: sha256(prepared / name) for name in NAMES})


def check_passed(prepared: Path, validated: Path) -> dict[str, str]:
    """Return the fingerprints of the prepared data, by file.

    Raises InputError unless this very data passed validation.
    """
    passed = validated / "passed.json"
    if not passed.is_file():
        raise InputError(passed, "no such file", "data that passed `validate`")
    fingerprints: dict[str, str] = json.loads(passed.read_text(encoding="utf-8"))
    for name in NAMES:
        if sha256(prepared / name) != fingerprints.get(name):
            found = "other data than passed `validate`"
            raise InputError(prepared / name, found, "a run of `validate` on it")
    return {name: fingerprints[name] for name in NAMES}
