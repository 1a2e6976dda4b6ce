"""The plots that dvc.yaml declares, with their points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dvc.render.match import match_defs_renderers
from dvc.repo import Repo
from dvc.repo.plots import _resolve_data_sources


@dataclass(frozen=True)
class Plot:
    """A plot of dvc.yaml. points: of all revisions, each with its `rev`, `field`, and the values of x and y."""

    title: str
    template: str | None
    x: str
    y: str
    x_label: str
    y_label: str
    points: list[dict[str, Any]]


def plots_of(repo: Repo, names: Sequence[str]) -> tuple[list[Plot], set[str]]:
    """The plots that dvc.yaml declares, as `dvc plots show` draws them, images apart; and the files they read.

    names: of revisions, `workspace` for the working tree.
    """
    shown: dict[str, Any] = {}
    for found in repo.plots.collect(
        revs=names, onerror=_ignore_error
    ):  # `show` complains on stderr
        _resolve_data_sources(found, "", cache=True)
        shown |= found
    made = []
    for renderer, _, _ in match_defs_renderers(shown, templates_dir=repo.plots.templates_dir):
        p = renderer.properties
        if renderer.TYPE == "vega" and p.get("x") and p.get("y"):
            labels = (str(p.get("x_label") or p["x"]), str(p.get("y_label") or p["y"]))
            made.append(
                Plot(
                    str(p["title"]), p.get("template"), p["x"], p["y"], *labels, renderer.datapoints
                )
            )
    read = {file for of in shown.values() for file in of.get("sources", {}).get("data", {})}
    return made, {file.lstrip("/") for file in read}


def _ignore_error(result: dict[str, Any], exception: Exception, *_: Any, **__: Any) -> None:
    """A plot that a revision lacks is left out."""
    result["error"] = exception
