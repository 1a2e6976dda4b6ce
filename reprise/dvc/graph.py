"""The graph of stages as DVC makes it, and its order, without networkx: importing that takes longer than the rest."""

from collections.abc import Iterable, Sequence
from typing import Any

from dvc.dependency import DatasetDependency
from dvc.exceptions import StagePathAsOutputError
from dvc.fs import localfs
from dvc.repo.graph import build_graph
from dvc.repo.index import Index
from dvc.stage import Stage as DVCStage

Graph = dict[DVCStage, list[DVCStage]]  # each stage: those whose outs it reads


def graph_of(index: Index) -> Graph:
    """dvc.repo.graph.build_graph, for frozen stages without edges, as get_active_graph of dvc.repo.reproduce."""
    trie = index.outs_trie
    for stage in index.stages:
        out = trie.shortest_prefix(localfs.parts(stage.path)).value
        if out:
            raise StagePathAsOutputError(stage, str(out))
    whole = {stage: _upstream(stage, trie) for stage in index.stages}
    if _has_cycle(whole):
        build_graph(index.stages, trie)  # raises, and names the stages of the cycle
    return {stage: [] if stage.frozen else upstream for stage, upstream in whole.items()}


def _upstream(stage: DVCStage, trie: Any) -> list[DVCStage]:
    found: dict[DVCStage, None] = {}
    if stage.is_repo_import or stage.is_db_import:
        return []
    for dep in stage.deps:
        if not isinstance(dep, DatasetDependency):
            key = dep.fs.parts(dep.fs_path)
            found |= dict.fromkeys(node.value.stage for node in trie.prefixes(key))
            if trie.has_subtrie(key):
                found |= dict.fromkeys(out.stage for out in trie.values(prefix=key))
    return list(found)


def _has_cycle(graph: Graph) -> bool:
    place = {stage: i for i, stage in enumerate(postorder(graph))}
    return any(place[upstream] >= place[stage] for stage in graph for upstream in graph[stage])


def postorder(graph: Graph, starts: Iterable[DVCStage] | None = None) -> list[DVCStage]:
    """Each stage after those that it reads from, as networkx.dfs_postorder_nodes goes through them."""
    order: list[DVCStage] = []
    seen: set[DVCStage] = set()
    for start in graph if starts is None else starts:
        stack = [] if start in seen else [(start, iter(graph[start]))]
        seen.add(start)
        while stack:
            stage, rest = stack[-1]
            below = next((s for s in rest if s not in seen), None)
            if below is None:
                order.append(stage)
                stack.pop()
            else:
                seen.add(below)
                stack.append((below, iter(graph[below])))
    return order


def around(graph: Graph, chosen: Sequence[DVCStage], *, downstream: bool) -> Graph:
    """The part of the graph that the chosen stages need, or that needs them."""
    step = graph
    if downstream:
        step = {stage: [] for stage in graph}
        for stage, upstream in graph.items():
            for s in upstream:
                step[s].append(stage)
    part = set(postorder(step, chosen))
    order: Iterable[DVCStage] = graph
    if 2 * len(part) < len(graph):
        # Then networkx, and so dvc repro, goes through the part, a set that was filled source by source.
        order = part = {s for source in chosen for s in postorder(step, [source])}
    return {stage: [s for s in graph[stage] if s in part] for stage in order if stage in part}
