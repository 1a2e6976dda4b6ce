"""Finds the stages that targets and their options choose, in the order of `dvc repro`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from dvc.dvcfile import PROJECT_FILE
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage as DVCStage
from dvc.stage.exceptions import StageFileDoesNotExistError, StageNotFound

from reprise.dvc.graph import Graph, postorder, subgraph
from reprise.errors import PipelineError


@dataclass(frozen=True)
class Selection:
    """Holds the options of `dvc repro` that say which stages its targets choose.

    single_item: only the targets, in their order. pipeline: all that is connected with them.
    all_pipelines: every stage, whatever the targets. downstream: what depends on the targets, in
    place of what they depend on. recursive: a target may be a folder. glob: a target is a pattern.
    """

    single_item: bool = False
    downstream: bool = False
    pipeline: bool = False
    all_pipelines: bool = False
    recursive: bool = False
    glob: bool = False

    @property
    def keeps_order(self) -> bool:
        """Tell whether only the targets run, in their order, whatever they depend on."""
        runs_others = self.pipeline or self.all_pipelines
        return self.single_item and not runs_others


def select(
    repo: Repo, graph: Graph, targets: Sequence[str], selection: Selection
) -> list[DVCStage]:
    """Select stages of the graph as `reproduce` of dvc.repo.reproduce does.

    Raises PipelineError or what DVC raises when there is no such target.
    """
    if selection.all_pipelines:
        return postorder(graph)
    of_graph = {stage: stage for stage in graph}
    found = _find_all(repo, targets or [PROJECT_FILE], selection)
    chosen = [of_graph.get(stage, stage) for stage in found]
    if selection.keeps_order:
        return chosen
    if not chosen:  # of an empty dvc.yaml
        return postorder(graph)
    if selection.pipeline:
        connected = plan_repro(get_active_graph(repo.index.graph), chosen, pipeline=True)
        return [of_graph[stage] for stage in connected]
    return postorder(subgraph(graph, chosen, downstream=selection.downstream))


def _find_all(repo: Repo, targets: Sequence[str], selection: Selection) -> list[DVCStage]:
    found: list[DVCStage] = []
    for target in targets:
        found += _find(repo, target, selection)
    may_find_none = selection.glob or selection.recursive
    if may_find_none and not found:
        names = ", ".join(targets)
        raise PipelineError(f"found no stage in {names}; expected one, or dvc repro runs them all")
    return found


def _find(repo: Repo, target: str, selection: Selection) -> list[DVCStage]:
    """Find a target's stages as `dvc repro` does; and where it finds none, by their outs."""
    path = os.path.abspath(target)
    in_file = [stage for stage in repo.index.stages if stage.path == path]
    if in_file and not selection.glob:
        return in_file
    try:
        found: list[DVCStage] = collect_stages(
            repo, [target], recursive=selection.recursive, glob=selection.glob
        )
        return found
    except (StageFileDoesNotExistError, StageNotFound):
        writers = _writers(repo, path)
        if not writers:
            raise
        return writers


def _writers(repo: Repo, path: str) -> list[DVCStage]:
    """Find the stages that have the path, absolute, among their outs."""
    writers = []
    for out in repo.index.outs:
        if out.fs_path == path:
            writers.append(out.stage)
    return writers
