"""A training's name changes with all that decides its result, and with nothing else."""

import importlib
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from src.files import sha256
from src.training import checkpoint
from src.training.key import (
    ONLY_SHOWING,
    EditedSourceError,
    Identity,
    own_modules,
    process_start,
    source_hashes,
    training_key,
)

INPUTS: dict[str, Any] = {"seed": 1, "train": {"model": {"name": "mlp"}}, "data": {"a": "12"}}


@pytest.fixture
def own_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Import a module of a user's own, which is installed; return its file."""
    file = tmp_path / "site-packages" / "installed_by_user.py"
    file.parent.mkdir()
    file.write_text("a = 1\n")
    os.utime(file, (1, 1))
    monkeypatch.syspath_prepend(str(file.parent))
    sys.modules.pop("installed_by_user", None)
    __import__("installed_by_user")
    return file


def test_it_changes_with_params_and_data() -> None:
    keys = {training_key(INPUTS), training_key({**INPUTS, "seed": 2})}
    keys.add(training_key({**INPUTS, "train": {"model": {"name": "linear"}}}))
    keys.add(training_key({**INPUTS, "data": {"a": "13"}}))
    assert len(keys) == 4
    assert training_key(INPUTS) == training_key(dict(reversed(INPUTS.items())))


def test_it_changes_where_two_sources_change_places(own_class: Path) -> None:
    other = own_class.with_name("other_of_user.py")
    other.write_text("a = 2\n")
    os.utime(other, (1, 1))
    __import__("other_of_user")
    named = {"model": "installed_by_user:Net", "loss": "other_of_user:Loss"}
    before = training_key(named)
    own_class.write_text("a = 2\n")
    other.write_text("a = 1\n")
    os.utime(own_class, (1, 1))
    os.utime(other, (1, 1))
    after = training_key(named)
    del sys.modules["other_of_user"]
    assert after != before


def test_it_changes_with_torch_and_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {training_key(INPUTS)}
    monkeypatch.setattr(torch, "__version__", "9")
    keys.add(training_key(INPUTS))
    for variable in (
        "ATEN_CPU_CAPABILITY",
        "MKL_CBWR",
        "ONEDNN_MAX_CPU_ISA",
        "NVIDIA_TF32_OVERRIDE",
    ):
        monkeypatch.setenv(variable, "other")
        keys.add(training_key(INPUTS))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "other")
    keys.add(training_key(INPUTS))
    assert len(keys) == 7


@pytest.mark.parametrize("variable", ["TORCHINDUCTOR_FREEZING", "TORCHDYNAMO_DISABLE"])
def test_it_changes_with_what_the_compiler_heeds_where_that_compiles(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    compiled = {**INPUTS, "train": {"compile": "default"}}
    keys = [Identity(INPUTS).key, Identity(compiled).key]
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "which torch sets by itself")
    assert [Identity(INPUTS).key, Identity(compiled).key] == keys
    monkeypatch.setenv(variable, "1")
    assert Identity(INPUTS).key == keys[0]
    assert Identity(compiled).key != keys[1]


def test_what_only_shows_a_training_is_no_part_of_it() -> None:
    hashes = source_hashes(set()).values()
    for name in ONLY_SHOWING:
        file = importlib.import_module(name).__file__
        assert file is not None
        assert sha256(Path(file)) not in hashes
    assert sha256(Path(checkpoint.__file__)) in hashes


def test_it_changes_with_the_source_of_an_own_class_that_is_named(own_class: Path) -> None:
    named = {"model": {"name": "installed_by_user:Net"}}
    keys = {training_key(INPUTS), training_key(named)}
    own_class.write_text("a = 2\n")
    os.utime(own_class, (1, 1))
    assert training_key(INPUTS) in keys  # which does not name it
    keys.add(training_key(named))
    assert len(keys) == 3


def test_a_source_that_was_edited_meanwhile_has_no_key(own_class: Path) -> None:
    os.utime(own_class, (time.time(), time.time()))
    with pytest.raises(EditedSourceError, match=r"installed_by_user\.py was edited since"):
        training_key({"scheduler": [{"name": "installed_by_user:Rate"}]})


def test_a_process_knows_its_start_to_a_hundredth_of_a_second() -> None:
    """psutil is up to a second early: a file saved just before would count as edited since."""
    context = multiprocessing.get_context("fork")
    starts = context.SimpleQueue()
    process = context.Process(target=lambda: starts.put(process_start()))
    before = time.time()
    process.start()
    assert before - 0.02 < starts.get() < time.time()
    process.join()


def test_it_changes_with_the_projects_code_whatever_folder_that_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    for folder, text in (("a", "a = 1\n"), ("b", "a = 1\n"), ("b", "a = 2\n")):
        file = tmp_path / folder / "code_of_project.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        os.utime(file, (1, 1))
        monkeypatch.syspath_prepend(str(file.parent))
        monkeypatch.chdir(file.parent)
        sys.modules.pop("code_of_project", None)
        __import__("code_of_project")
        keys.append(training_key(INPUTS))
    sys.modules.pop("code_of_project")
    assert keys[0] == keys[1] != keys[2]


def test_own_classes_are_found_at_any_depth() -> None:
    params = {"a": [{"name": "x.y:Z"}, {"b": {"name": "u:V", "c": {"name": "w:V"}}}], "d": "mlp"}
    assert own_modules(params) == {"x.y", "u", "w"}
