"""DVC's parts are replaced while a repository is open, for it alone, and then put back."""

import json
import os
from contextlib import ExitStack, chdir
from itertools import product
from pathlib import Path
from typing import Any

import dvc.output
import dvc.rwlock
import dvc.schema
import pytest
from dvc.config import RemoteNotFoundError
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.stage.cache import StageCache
from dvc_data.hashfile import checkout

from reprise.dvc import Repository, Stage, file_cache, patches
from reprise.dvc.deps import params_deps
from reprise.dvc.lock_file import replace_entries
from reprise.dvc.patches import PATCHES
from reprise.errors import PipelineError
from tests.conftest import ROOT
from tests.reprise.corpus import Made

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

STAGES = "stages:\n  a: {cmd: cat a.in > a, deps: [a.in], params: [x], outs: [a]}\n"


@pytest.fixture
def roots(tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make two repositories, whose params differ."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    roots = []
    for name, x in [("one", 1), ("two", 2)]:
        files = {"dvc.yaml": STAGES, "params.yaml": f"x: {x}\n", "a.in": "1\n"}
        roots.append(Made(tmp_path / name, {"files": files}, commands).create().root)
    return roots


def opened(root: Path) -> Repository:
    with chdir(root):
        return Repository()


def only_stage(repository: Repository) -> Stage:
    with chdir(repository.workspace.root):
        (stage,) = repository.collect_stages([])
    return stage


def claims(root: Path) -> Any:
    return json.loads((root / ".dvc/tmp/rwlock").read_text())


def claims_of_a(root: Path) -> Any:
    info = {"pid": os.getpid(), "cmd": "reprise run: a"}
    read = {str(root / "a.in"): [info], str(root / "params.yaml"): [info]}
    return {"read": read, "write": {str(root / "a"): info}}


def in_force() -> list[Any]:
    return [vars(patch.owner).get(patch.attribute, "inherited") for patch in PATCHES]


REPLACEMENTS = [patch.replacement for patch in PATCHES]


# The context


def test_two_open_repositories_each_write_their_claims(roots: list[Path]) -> None:
    one, two = map(opened, roots)
    with one, two:
        with one.lock(print), two.lock(print):
            assert one.claim(only_stage(one)) is None
            assert two.claim(only_stage(two)) is None
        assert [claims(root) for root in roots] == [claims_of_a(root) for root in roots]
        with one.lock(print):
            one.release_all()
        assert [claims(root) for root in roots] == [{}, claims_of_a(roots[1])]
        with two.lock(print):
            two.release_all()
        assert [claims(root) for root in roots] == [{}, {}]


def test_a_claim_that_could_not_be_written_is_forgotten(roots: list[Path]) -> None:
    """Not kept for a later write, which would go over the claims of others without DVC's guard."""
    root = roots[0]
    part = root / ".dvc/tmp/rwlock.part"
    other = {"write": {str(root / "b"): {"pid": os.getpid(), "cmd": "dvc commit"}}}
    with opened(root) as repository:
        part.mkdir()  # nothing can be written there
        with pytest.raises(PipelineError), repository.lock(print):
            assert repository.claim(only_stage(repository)) is None
        part.rmdir()
        (root / ".dvc/tmp/rwlock").write_text(json.dumps(other))
        with repository.lock(print):
            repository.release_all()
        assert claims(root)["write"] == other["write"]


def test_two_open_repositories_each_read_their_files(roots: list[Path]) -> None:
    one, two = map(opened, roots)
    with one, two:
        for repository, x in [(one, 1), (two, 2), (one, 1)]:
            (params,) = params_deps(only_stage(repository).dvc.deps)
            assert params.read_params() == {"x": x}


def test_other_repositories_of_the_process_keep_dvcs_ways(roots: list[Path]) -> None:
    with opened(roots[0]):
        other = Repo(str(roots[1]))
        assert other.tmp_dir is not None
        path = str(roots[1] / "a")
        with dvc.rwlock.rwlock(other.tmp_dir, other.fs, "dvc commit", [], [path], False):
            info = {"pid": os.getpid(), "cmd": "dvc commit"}
            assert claims(roots[1])["write"] == {path: info}


def test_everything_is_as_before_when_the_last_repository_closes(roots: list[Path]) -> None:
    before = in_force()
    one, two = map(opened, roots)
    assert in_force() == before
    for first, last in [(one, two), (two, one)]:
        with ExitStack() as outer, ExitStack() as inner:
            outer.enter_context(last)
            inner.enter_context(first)
            assert in_force() == REPLACEMENTS
            inner.close()
            assert in_force() == REPLACEMENTS
        assert in_force() == before
    with pytest.raises(ValueError, match="in the block"), one:
        raise ValueError("in the block")
    assert in_force() == before


def test_each_row_names_its_test() -> None:
    for patch in PATCHES:
        file, _, name = patch.test.partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text(), patch.name


# The rows


def count(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """Note each call of DVC's own function, which a replacement goes on to."""
    calls: list[str] = []
    original = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, call)
    return calls


def test_a_params_file_is_parsed_once_until_it_changes(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count(monkeypatch, file_cache, "load_path")
    with opened(roots[0]) as repository:
        (params,) = params_deps(only_stage(repository).dvc.deps)
        for x in (1, 3):
            (roots[0] / "params.yaml").write_text(f"x: {x}\n\n")
            calls.clear()
            assert [params.read_params() for _ in range(3)] == [{"x": x}] * 3
            assert len(calls) == 1


def test_a_lock_file_is_parsed_once_until_it_changes(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count(monkeypatch, file_cache, "_load_lock")
    with opened(roots[0]) as repository:
        stage = only_stage(repository)
        for size in (1, 20):
            out = {"path": "a", "md5": "0" * 31 + "a", "size": size}
            entry = {"cmd": "cat a.in > a", "outs": [out]}
            (roots[0] / "dvc.lock").write_text(replace_entries("", {}, {"a": entry}))
            calls.clear()
            for _ in range(3):
                stage.reload()
                assert stage.locked == entry
            assert len(calls) == 1


def test_a_schema_is_compiled_once(roots: list[Path]) -> None:
    source = {"a": int}
    with opened(roots[0]):
        assert dvc.schema.vol.Schema(source) is dvc.schema.vol.Schema(source)
        assert dvc.schema.vol.Schema(source)({"a": 1}) == {"a": 1}
        assert dvc.schema.vol.Schema({"a": int}) is not dvc.schema.vol.Schema(source)


def test_the_links_are_noted_as_dvc_notes_them(roots: list[Path]) -> None:
    state: Any = Repo(str(roots[0])).state
    state.set_link(str(roots[0] / "a"), 1, "2.0")
    with opened(roots[0]):
        state.set_link(str(roots[0] / "b"), 3, "4.0")
    assert {name: state.links[name] for name in state.links} == {"a": (1, "2.0"), "b": (3, "4.0")}


def test_paths_lie_where_dvc_says_that_they_do(roots: list[Path]) -> None:
    parts = ["", ".", "..", "a", "b", ".a", "a b", "a\nb", "aa"]
    paths = ["/", "//", "a/b", "a", "."]
    for first, second, third in product(parts, parts, parts[:5]):
        paths.append(f"/{first}/{second}/{third}")
        paths.append(f"/{first}/{second}")
    pairs = [*product(paths[::3], paths[::5]), *product(paths[:5], paths)]
    expected = [LocalFileSystem.isin(path, folder) for path, folder in pairs]
    with opened(roots[0]):
        assert [LocalFileSystem.isin(path, folder) for path, folder in pairs] == expected
    assert 0 < sum(expected) < len(pairs)


def test_a_stage_of_an_entry_is_made_only_for_outs_that_are_not_cached(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count(monkeypatch, StageCache, "_create_stage")
    entry = {"cmd": "cat a.in > a", "outs": [{"path": "a", "md5": "0" * 32}]}
    with opened(roots[0]) as repository, chdir(roots[0]):
        stage = only_stage(repository).dvc
        runs = stage.repo.stage_cache
        assert [*runs._uncached_outs(stage, entry)] == []
        assert calls == []
        stage.outs[0].use_cache = False
        assert [out.def_path for out in runs._uncached_outs(stage, entry)] == ["a"]
        assert len(calls) == 1


def test_links_are_tried_once_for_a_folder(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    links = ["reflink", "hardlink", "copy"]
    works = iter([[], ["copy"]])
    with opened(roots[0]) as repository:
        find_links = vars(checkout)["test_links"]
        fs = only_stage(repository).dvc.repo.fs
        cache, other = map(str, roots)
        found = find_links(links, fs, cache, fs, f"{cache}/one")
        assert "copy" in found
        found.remove("copy")  # as DVC does with one that fails for a file
        found = find_links(links, fs, cache, fs, f"{cache}/one")
        assert "copy" in found
        calls = count(monkeypatch, patches, "_test_links")
        assert find_links(links, fs, cache, fs, f"{cache}/two") == found
        assert calls == []
        assert find_links(links, fs, cache, fs, f"{other}/one") == found
        assert find_links(links, fs, other, fs, f"{other}/one") == found
        assert find_links(["copy"], fs, cache, fs, f"{cache}/one") == ["copy"]
        assert len(calls) == 3
        monkeypatch.setattr(patches, "_test_links", lambda *_: next(works))
        assert find_links(["hardlink"], fs, cache, fs, f"{cache}/one") == []
        assert find_links(["hardlink"], fs, cache, fs, f"{cache}/one") == ["copy"]
    assert [*roots[0].glob("*.tmp")] == []


PATHS = [
    "a",
    "a b/ü",
    "/a",
    "./a",
    "//host/a",
    "a:b",
    "C:\\a",
    "file:///a",
    "#a?b=c",
    "[a",
    "a\nb",
    " //a",
    "a//b",
]
CONFIGS: list[dict[str, Any]] = [{}, {"core": {"checksum_jobs": 2}}, {"core": {}}]


def test_the_file_system_of_a_path_is_the_one_that_dvc_finds(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = patches._get_cloud_fs
    with opened(roots[0]):
        find = vars(dvc.output)["get_cloud_fs"]
        for path, config in product(PATHS, CONFIGS):
            assert find(config, url=path) == original(config, url=path)
        versioned = {"url": "a", "version_aware": True}
        assert find({}, **versioned) == original({}, **versioned)
        with pytest.raises(RemoteNotFoundError):
            find({"remote": {}}, url="remote://name/a")
        calls = count(monkeypatch, patches, "_get_cloud_fs")
        _, settings, path = find({}, url="b")
        assert (calls, path) == ([], "b")
        settings["mine"] = True  # of its own
        assert "mine" not in find({}, url="c")[1]
