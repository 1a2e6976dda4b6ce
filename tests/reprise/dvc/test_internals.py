"""DVC's insides that `reprise/dvc` rests on are as they were when it was written."""

import hashlib
import importlib
import inspect

import pytest

# What reprise/dvc calls, replaces or imitates in DVC 3.67.1, by its source's hash. If one differs,
# read what changed, mend reprise/dvc if it must follow, run `make slow`, and put the new hash here.
INTERNALS = {
    "dvc.dvcfile:FileMixin._load_yaml": "659025c30a8e",
    "dvc.dvcfile:Lockfile._load": "e3654b139786",
    "dvc.dvcfile:Lockfile.dump_stages": "be78a3c7bd28",
    "dvc.dependency.param:ParamsDependency.get_hash": "b7ce4859bb3a",
    "dvc.dependency.param:ParamsDependency.read_params": "687935587223",
    "dvc.dependency.param:ParamsDependency.workspace_status": "47882b94a100",
    "dvc.dependency.param:read_param_file": "710593e1b78d",
    "dvc.output:Output._build": "ca43c2a6f470",
    "dvc.output:Output.commit": "5133dd9aa89e",
    "dvc.output:Output.get_dir_cache": "4e27e228ebc9",
    "dvc.output:Output.ignore": "c786fdcd0292",
    "dvc.output:Output.save": "778821cfa71d",
    "dvc.output:Output.status": "b2bc4ba23b0a",
    "dvc.output:Output.workspace_status": "0b193a6f50d4",
    "dvc.repo.graph:build_graph": "75fa712ed4da",
    "dvc.repo.plots:_resolve_data_sources": "b6aa6b807b66",
    "dvc.repo.reproduce:_reproduce_stage": "32cb1baa118f",
    "dvc.repo.reproduce:collect_stages": "225d1d025adc",
    "dvc.repo.reproduce:get_active_graph": "6f91d99314c7",
    "dvc.repo.reproduce:get_subgraph": "9358f0f64d34",
    "dvc.repo.reproduce:plan_repro": "3b40949c0a24",
    "dvc.repo.reproduce:reproduce": "290e8114b421",
    "dvc.rwlock:_acquire_read": "242c9cf43873",
    "dvc.rwlock:_acquire_write": "0cc2f0fdc1ce",
    "dvc.rwlock:_check_blockers": "dfab1ca07593",
    "dvc.rwlock:_edit_rwlock": "cf3a97fb9efa",
    "dvc.rwlock:_release_read": "11792bcbd908",
    "dvc.rwlock:_release_write": "aa7b80c5076e",
    "dvc.rwlock:rwlock": "e8e87c10cc64",
    "dvc.schema:either_or": "df84ff36cb0a",
    "dvc.stage:Stage.changed": "1425cb5a6a8c",
    "dvc.stage:Stage.changed_deps": "e8a1d343fc12",
    "dvc.stage:Stage.remove_outs": "3872e7bd2955",
    "dvc.stage:Stage.reproduce": "a4fd0ff85381",
    "dvc.stage:Stage.run": "d0e5527866ee",
    "dvc.stage:Stage.save": "277cc65d776c",
    "dvc.stage.cache:StageCache._create_stage": "ade1cc22e4d4",
    "dvc.stage.cache:StageCache._load": "387d30ed4675",
    "dvc.stage.cache:StageCache.restore": "c7e43f44087e",
    "dvc.stage.cache:StageCache.save": "49b8f5c04149",
    "dvc.stage.cache:StageCache._uncached_outs": "789e34a54fee",
    "dvc.stage.cache:_can_hash": "5fbce5b4695b",
    "dvc.stage.decorators:rwlocked": "2f9910ef188b",
    "dvc.stage.loader:StageLoader.fill_from_lock": "da565947ec83",
    "dvc.stage.loader:StageLoader.load_stage": "b4dc4f46436a",
    "dvc.stage.run:_make_cmd": "1f0d02534025",
    "dvc.stage.run:cmd_run": "d2696e63976b",
    "dvc.stage.run:prepare_kwargs": "b7f2672fdcd4",
    "dvc.stage.run:run_stage": "d4b66f275003",
    "dvc.stage.serialize:to_single_stage_lockfile": "a85109472374",
    "dvc.repo.trie:build_outs_trie": "7022912b3e2c",
    "dvc.repo.index:Index.graph": "759afd365a86",
    "dvc.repo.fetch:_collect_indexes": "473d966516d9",
    "dvc.render.match:match_defs_renderers": "fc0f220ab00e",
    "dvc_data.hashfile.transfer:_log_exception": "32636076077b",
    "dvc_data.hashfile.state:State.set_link": "da4775635d65",
    "dvc_objects.fs.generic:test_links": "622b81203f36",
}


@pytest.mark.parametrize("name", INTERNALS)
def test_dvc_is_as_it_was_when_the_runner_was_written(name: str) -> None:
    assert digest(name) == INTERNALS[name]


def digest(name: str) -> str:
    module, path = name.split(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "fget", found)
    found = getattr(found, "__wrapped__", found)
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:12]
