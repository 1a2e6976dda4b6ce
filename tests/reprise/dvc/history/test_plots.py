"""What keeps a plot out of a report is told, but for files that a revision lacks."""

from types import SimpleNamespace
from typing import Any

import pytest
from dvc.exceptions import DvcException

from reprise.dvc.history.plots import collect_plots


@pytest.mark.parametrize(
    ("error", "notes"),
    [
        (RuntimeError("of a library"), ["RuntimeError: of a library"]),
        (DeprecationWarning("soon"), ["DeprecationWarning: soon"]),
        (DvcException("no such out"), []),
        (FileNotFoundError(2, "No such file", "history.csv"), []),
    ],
)
def test_an_error_of_reading_plots_is_told_once(error: Exception, notes: list[str]) -> None:
    def collect(revs: list[str], onerror: Any) -> list[dict[str, Any]]:
        for _ in revs:
            onerror({}, error)
        return []

    repo: Any = SimpleNamespace(
        plots=SimpleNamespace(collect=collect, templates_dir=None),
    )
    told: list[str] = []
    assert collect_plots(repo, ["main", "workspace"], told) == ([], set())
    assert len(told) == len(notes)
    for note, words in zip(told, notes, strict=True):
        assert note.startswith("plots: not drawn: ")
        assert words in note
