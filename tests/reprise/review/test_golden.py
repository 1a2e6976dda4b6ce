"""Golden reports of everyday changes, in all four formats: what a reviewer reads, word for word.

After a wanted change, write them anew and read the difference.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reprise.review.builder import review
from reprise.review.formats import FORMATS
from reprise.review.report import Report
from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.review.changes import CHANGES, apply, first, stale, without_folder

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"text": "txt", "md": "md", "json": "json", "html": "html"}
LISTED = 6  # items of a list in a golden JSON
REVISIONS = {
    **{name: ("main", name) for name in CHANGES},
    "removed_folder": ("main", "removed_folder"),
    "two_branches": ("thirty_metrics", "slices"),
    "stale_workspace": ("main", None),
}


@pytest.fixture(scope="module")
def made(commands: str, shared_folder: Path) -> Iterator[Made]:
    """All changes, each on its branch, the same on every machine and day."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            patch.setenv(key, "2026-01-01T00:00:00Z")
        folder = made_once(shared_folder / "changes", lambda path: make(path, commands))
        yield Made(folder, {}, commands)


def make(folder: Path, commands: str) -> None:
    made = first(folder, commands)
    for name in CHANGES:
        apply(made, name)
    without_folder(made)
    stale(made)


def normal(form: str, text: str) -> str:
    """Shorten what would fill the goldens: styles, the inside of pictures, long lists of JSON."""
    if form == "html":
        text = re.sub(r"<style>.*?</style>", "<style></style>", text, flags=re.DOTALL)
        return re.sub(r"<svg ([^>]*)>(<title>.*?</title>)?.*?</svg>", r"<svg \1>\2</svg>", text)
    if form == "json":
        return json.dumps(_short(json.loads(text)), indent=1, ensure_ascii=False) + "\n"
    return text


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [_short(item) for item in value[:LISTED]]
    if len(value) > LISTED:
        items.append(f"and {len(value) - LISTED} more")
    if all(isinstance(item, int | float | str | None) for item in items):
        return ", ".join(map(str, items))
    return items


# As an error, what pygtrie says would take DVC its plots, without a word.
@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
@pytest.mark.parametrize("name", REVISIONS)
def test_the_report_of(name: str, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(made.folder.parent / "site"))
    old, new = REVISIONS[name]
    report: Report = review(old, new)
    for form, write in FORMATS.items():
        text = write(report)
        assert str(made.root) not in text
        golden = GOLDEN / f"{name}.{ENDINGS[form]}"
        assert normal(form, text) == golden.read_text(), golden.name
