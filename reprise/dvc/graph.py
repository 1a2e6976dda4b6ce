"""Makes the graph of stages as DVC does, and its order.

Without networkx: importing it takes longer than the rest.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from dvc.dependency import DatasetDependency
from dvc.exceptions import StagePathAsOutputError
from dvc.fs import localfs
from dvc.repo.graph import build_graph
from dvc.repo.index import Index
from dvc.stage import Stage as DVCStage

Graph = dict[DVCStage, list[DVCStage]]  # each stage: those whose outs it reads


def make_graph(index: Index) -> Graph:
    """Make the graph in which frozen stages have no upstream stages.

    As `build_graph` of dvc.repo.graph and `get_active_graph` of dvc.repo.reproduce. Raises what
    they raise, such as DVC's error for a cycle.
    """
    trie = index.outs_trie
    for stage in index.stages:
        out = trie.shortest_prefix(localfs.parts(stage.path)).get()
        if out:
            raise StagePathAsOutputError(stage, str(out))
    graph = {stage: _upstream(stage, trie) for stage in index.stages}
    if _has_cycle(graph):
        build_graph(index.stages, trie)  # raises, and names the stages of the cycle
    for stage in graph:
        if stage.frozen:
            graph[stage] = []
    return graph


def _upstream(stage: DVCStage, trie: Any) -> list[DVCStage]:
    """List the stages whose outs the stage reads, each once, in DVC's order.

    trie: all outs by the parts of their paths. A stage reads an out that is a dep, has a dep
    inside, or lies inside a dep.
    """
    if stage.is_repo_import or stage.is_db_import:
        return []
    upstream: dict[DVCStage, None] = {}  # in the place of a set, which has no order
    for dep in stage.deps:
        if isinstance(dep, DatasetDependency):
            continue
        key = dep.fs.parts(dep.fs_path)
        for node in trie.prefixes(key):
            upstream[node.value.stage] = None
        if trie.has_subtrie(key):
            for out in trie.values(prefix=key):
                upstream[out.stage] = None
    return list(upstream)


def _has_cycle(graph: Graph) -> bool:
    """Tell whether some stage comes before one that it reads from, in any order."""
    done: set[DVCStage] = set()
    for stage in postorder(graph):
        if not done.issuperset(graph[stage]):
            return True
        done.add(stage)
    return False


def postorder(graph: Graph, starts: Iterable[DVCStage] | None = None) -> list[DVCStage]:
    """Order the stages, each after those that it reads from, as networkx.dfs_postorder_nodes does.

    starts: the stages to begin at, all by default; only what they need is in the result.
    """
    order: list[DVCStage] = []
    seen: set[DVCStage] = set()
    if starts is None:
        starts = graph
    for start in starts:
        if start not in seen:
            _visit(start, graph, seen, order)
    return order


def _visit(start: DVCStage, graph: Graph, seen: set[DVCStage], order: list[DVCStage]) -> None:
    """Append the stages that are reached from the start; with a stack, for graphs of any depth."""
    seen.add(start)
    stack = [(start, iter(graph[start]))]
    while stack:
        stage, rest = stack[-1]
        unseen = next((upstream for upstream in rest if upstream not in seen), None)
        if unseen is None:
            order.append(stage)
            stack.pop()
        else:
            seen.add(unseen)
            stack.append((unseen, iter(graph[unseen])))


def subgraph(graph: Graph, chosen: Sequence[DVCStage], *, downstream: bool) -> Graph:
    """Cut out the part of the graph that the chosen stages need, or that needs them."""
    steps = graph
    if downstream:
        steps = _reversed(graph)
    part = set(postorder(steps, chosen))
    order: Iterable[DVCStage] = graph
    if 2 * len(part) < len(graph):
        # Then networkx, and so dvc repro, goes through the part: a set, filled source by source.
        part = set()
        for source in chosen:
            part.update(postorder(steps, [source]))
        order = part
    result: Graph = {}
    for stage in order:
        if stage in part:
            result[stage] = [upstream for upstream in graph[stage] if upstream in part]
    return result


def _reversed(graph: Graph) -> Graph:
    """Turn the graph round: each stage with those that read its outs."""
    readers: Graph = {stage: [] for stage in graph}
    for stage, upstream in graph.items():
        for other in upstream:
            readers[other].append(stage)
    return readers
