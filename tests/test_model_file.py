"""A model file is data that anybody may have written: whatever it holds, it is one line or a model.

Nothing that it names is imported, and nothing of the size that it says is built.
"""

import json
import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor

from src.errors import InputError, OwnCodeError
from src.model_file import FORMAT, Model
from tests.test_train import params, table, trained

Tensors = dict[str, Tensor]
About = dict[str, Any]
Change = Callable[[Tensors, About], None]
OWN = "tests.own:Net"


def nothing(name: str) -> bool:
    return False


def parts(model: Model, path: Path) -> tuple[Tensors, About]:
    """Return what the model's file holds."""
    from safetensors import safe_open

    model.save(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()[FORMAT])


@pytest.fixture(scope="module", params=["classification", "regression"])
def model(request: pytest.FixtureRequest) -> Model:
    loss = {"classification": "CrossEntropyLoss", "regression": "MSELoss"}[request.param]
    return trained(params(loss={"name": loss}, epochs=1), request.param)[0]


def refused(path: Path, trusts: Callable[[str], bool] = nothing) -> str:
    """Load the file, which must be refused in one line, soon, and with nothing imported."""
    modules, start = set(sys.modules), time.process_time()
    with pytest.raises(InputError) as raised:
        Model.load(path, trusts)
    assert time.process_time() - start < 5
    assert set(sys.modules) == modules
    line = str(raised.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    assert len(line) < 500
    return line.removeprefix(f"{path}: ").removeprefix(f"{path}")


def put(place: str, value: Any) -> Change:
    """Change the metadata at a place with dots."""

    def change(_: Tensors, about: About) -> None:
        *sections, last = place.split(".")
        holder: Any = about
        for section in sections:
            holder = holder[int(section) if section.isdigit() else section]
        holder[int(last) if last.isdigit() else last] = value

    return change


def tensor(name: str, change: Callable[[Tensor], Tensor]) -> Change:
    """Change one tensor."""

    def apply(tensors: Tensors, _: About) -> None:
        tensors[name] = change(tensors[name]).contiguous()

    return apply


def filled(value: float) -> Callable[[Tensor], Tensor]:
    """Put a value into the first element."""

    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[0] = value
        return tensor

    return change


def without(name: str) -> Change:
    """Remove a tensor."""

    def change(tensors: Tensors, _: About) -> None:
        del tensors[name]

    return change


def target_as_feature(_: Tensors, about: About) -> None:
    about["schema"]["columns"][0]["name"] = about["schema"]["target"]


FIRST = "network.layers.0.weight"
INJECTION = "DOUBLE) FROM read_text('/etc/passwd')); --"
HOSTILE: dict[str, Change] = {
    # What it names must not be imported.
    **{
        f"names {name}": put("model.name", name)
        for name in (
            "os:system",
            "this:s",
            "antigravity:webbrowser",
            "tests.own:Net",
            "src.models:MLP",
            "torch.nn:Linear",
            ":",
            ":Net",
            "os:",
            "a..b:C",
            "../evil:Net",
            "mlp ",
            "",
            "builtins:exec",
            "\x00:x",
            "x" * 100_000,
        )
    },
    # Sizes.
    "hidden 10^9": put("model.hidden", [10**9]),
    "hidden 10^9 twice": put("model.hidden", [10**9, 10**9]),
    "hidden 10^30": put("model.hidden", [10**30]),
    "hidden -1": put("model.hidden", [-1]),
    "hidden 0": put("model.hidden", [0]),
    "hidden 2^63": put("model.hidden", [2**63]),
    "a million layers": put("model.hidden", [1] * 1_000_000),
    "a million layers of a model": put("model.hidden", [8] * 1_000_000),
    "a number": put("model.hidden", 8),
    "a text": put("model.hidden", "8"),
    "a mapping": put("model.hidden", {"8": 8}),
    "null": put("model.hidden", None),
    "a float": put("model.hidden", [8.0]),
    "a list in the list": put("model.hidden", [[8]]),
    "dropout": put("model.dropout", 2),
    "dropout NaN": put("model.dropout", float("nan")),
    "a cnn": put("model", {"name": "cnn", "channels": [10**9], "hidden": 10**9}),
    "a deep cnn": put("model", {"name": "cnn", "channels": [1] * 100_000}),
    "another model": put("model", {"name": "linear"}),
    "an argument of ours": put("model.inputs", 10**9),
    "an unknown argument": put("model.width", 10**9),
    # Kinds.
    "model null": put("model", None),
    "model a list": put("model", ["mlp"]),
    "model a text": put("model", "mlp"),
    "a name that is a number": put("model.name", 1),
    "loss null": put("loss", None),
    "loss of no such name": put("loss", "Module"),
    "loss that is no loss": put("loss", "__init__"),
    "schema null": put("schema", None),
    "schema a list": put("schema", []),
    "an unknown key": put("code", "import os"),
    "columns null": put("schema.columns", None),
    "columns a mapping": put("schema.columns", {}),
    "no columns": put("schema.columns", []),
    "a column null": put("schema.columns.0", None),
    "a column's name a number": put("schema.columns.0.name", 1),
    "a column twice": put("schema.columns.0.name", "x1"),
    "the target a feature": target_as_feature,
    "a type of SQL": put("schema.columns.0.type", INJECTION),
    "a DECIMAL of SQL": put("schema.columns.0.type", "DECIMAL(9,2)) FROM x --"),
    "an ENUM of SQL": put("schema.columns.0.type", "ENUM('a') FROM x --')"),
    "a type that is none": put("schema.columns.0.type", "STRUCT(a INTEGER)"),
    "a type null": put("schema.columns.0.type", None),
    "a kind": put("schema.columns.0.kind", "image"),
    "a category of numbers": put("schema.columns.0.kind", "category"),
    "categories of a number": put("schema.columns.0.categories", ["a"]),
    "missing a text": put("schema.columns.0.missing", "1"),
    "task": put("schema.task", "clustering"),
    "classes a text": put("schema.classes", "ab"),
    "one class": put("schema.classes", [1]),
    "classes twice": put("schema.classes", [0, 1, 1]),
    "classes of two types": put("schema.classes", [0, 1, "2"]),
    "classes null in the list": put("schema.classes", [0, 1, None]),
    "classes NaN": put("schema.classes", [0.0, 1.0, float("nan")]),
    "classes lists": put("schema.classes", [[0], [1], [2]]),
    "a million wrong classes": put("schema.classes", [None] * 1_000_000),
    "a million columns": put("schema.columns", [{}] * 1_000_000),
    "rows": put("schema.rows", {"read": -1}),
    # Tensors.
    "NaN": tensor(FIRST, filled(float("nan"))),
    "infinity": tensor(FIRST, filled(float("inf"))),
    "minus infinity in the bias": tensor("network.layers.0.bias", filled(float("-inf"))),
    "a mean NaN": tensor("encoder.mean", filled(float("nan"))),
    "a deviation 0": tensor("encoder.std", filled(0.0)),
    "a deviation below 0": tensor("encoder.target_std", filled(-1.0)),
    "smallest infinite": tensor("encoder.smallest", filled(float("-inf"))),
    "float64": tensor(FIRST, Tensor.double),
    "float16": tensor(FIRST, Tensor.half),
    "int64": tensor(FIRST, Tensor.long),
    "bool": tensor(FIRST, Tensor.bool),
    "complex": tensor(FIRST, lambda t: t.to(torch.complex64)),
    "transposed": tensor(FIRST, Tensor.t),
    "flat": tensor(FIRST, Tensor.flatten),
    "one more axis": tensor(FIRST, lambda t: t.unsqueeze(0)),
    "a row less": tensor(FIRST, lambda t: t[1:]),
    "empty": tensor(FIRST, lambda t: t[:0]),
    "a longer mean": tensor("encoder.mean", lambda t: torch.cat([t, t])),
    "means of two axes": tensor("encoder.mean", lambda t: t.unsqueeze(1)),
    "no mean": without("encoder.mean"),
    "no weight": without(FIRST),
    "no tensors": lambda tensors, _: tensors.clear(),
    "a tensor more": lambda tensors, _: tensors.update({"network.more": torch.zeros(1)}),
    "a tensor beside": lambda tensors, _: tensors.update({"code": torch.zeros(1)}),
    "many tensors": lambda tensors, _: tensors.update(
        {f"network.layers.{i}.weight": torch.zeros(1) for i in range(1000)}
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_line_with_nothing_imported(
    kind: str, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    tensors, about = parts(model, path)
    HOSTILE[kind](tensors, about)
    save_file(tensors, path, {FORMAT: json.dumps(about)})
    assert "; expected " in refused(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"reprise.model.1": "{}"},
        {FORMAT: ""},
        {FORMAT: "{"},
        {FORMAT: "null"},
        {FORMAT: "[]"},
        {FORMAT: "[" * 200_000},
        {FORMAT: '{"a":' * 200_000},
        {FORMAT: "1" * 1_000_000},
        {FORMAT: '{"model": {"name": "mlp", "hidden": [1e999]}}'},
    ],
)
def test_metadata_that_is_none_of_ours_is_one_line(
    metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"encoder.mean": torch.zeros(1)}, path, metadata)
    assert "; expected " in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\0" * 8,
        b"\xff" * 8,
        b"\xff" * 1000,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        b"PK\x03\x04 a pickle",
        b"seed: 42\n",
    ],
)
def test_a_file_that_is_no_safetensors_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert "; expected " in refused(path)


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    assert "found no such file" in refused(tmp_path / "none")
    assert "found no such file" in refused(tmp_path)


def test_a_class_is_imported_only_when_the_reader_names_it(tmp_path: Path) -> None:
    own, _ = trained(params(model={"name": OWN, "width": 5}, epochs=1), "regression")
    path = tmp_path / "model.safetensors"
    own.save(path)
    assert refused(path).startswith(f"model.name: found '{OWN}'; expected a class that ")
    assert refused(path, "tests.own:Other".__eq__)
    loaded = Model.load(path, OWN.__eq__)
    assert torch.equal(loaded.estimate(table()), own.estimate(table()))


@pytest.mark.parametrize("width", [10**9, 10**30, -1, "5", None, [5], 6])
def test_a_trusted_class_is_not_built_larger_than_its_tensors(
    width: object, tmp_path: Path
) -> None:
    own, _ = trained(params(model={"name": OWN, "width": 5}, epochs=1), "regression")
    path = tmp_path / "model.safetensors"
    tensors, about = parts(own, path)
    about["model"]["width"] = width
    save_file(tensors, path, {FORMAT: json.dumps(about)})
    start = time.process_time()
    with pytest.raises((InputError, OwnCodeError)):
        Model.load(path, OWN.__eq__)
    assert time.process_time() - start < 5


def test_a_class_that_cannot_be_built_without_memory_loads(tmp_path: Path) -> None:
    """Some compute with their weights as they are built."""
    name = "tests.own:Measured"
    own, _ = trained(params(model={"name": name}, epochs=1), "regression")
    path = tmp_path / "model.safetensors"
    own.save(path)
    assert torch.equal(Model.load(path, name.__eq__).estimate(table()), own.estimate(table()))


def test_a_loaded_model_predicts_what_the_trained_one_did(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = Model.load(path, nothing)
    assert loaded.spec == model.spec
    for name, tensor in model.encoder.tensors().items():
        assert torch.equal(loaded.encoder.tensors()[name], tensor)
    assert torch.equal(
        loaded.outputs(loaded.encoder.features(table())),
        model.outputs(model.encoder.features(table())),
    )
    again = tmp_path / "again"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def by_hand(path: Path, x: np.ndarray) -> np.ndarray:
    """Read the file and compute the outputs with nothing of ours, torch's or safetensors'."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = json.loads(header.pop("__metadata__")[FORMAT])
    arrays = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        kind = {"F32": np.float32, "F64": np.float64}[entry["dtype"]]
        data = content[8 + length + start : 8 + length + end]
        arrays[name] = np.frombuffer(data, kind).reshape(entry["shape"]).astype(np.float64)
    names = [column["name"] for column in about["schema"]["columns"]]
    assert names == [f"x{i}" for i in range(4)]
    x = np.clip((x - arrays["encoder.mean"]) / arrays["encoder.std"], -1e6, 1e6)
    hidden = np.maximum(x @ arrays[FIRST].T + arrays["network.layers.0.bias"], 0)
    outputs = hidden @ arrays["network.layers.2.weight"].T + arrays["network.layers.2.bias"]
    if about["schema"]["task"] == "regression":
        outputs = outputs * arrays["encoder.target_std"] + arrays["encoder.target_mean"]
    result: np.ndarray = outputs
    return result


VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    8,
    2**31,
    2**64,
    0.5,
    float("nan"),
    "",
    "x",
    "os:system",
    [],
    {},
]


def mutated(draw: random.Random, tensors: Tensors, about: About, path: Path) -> None:
    """Write a file with a few things changed: metadata, tensors or bytes."""
    kind = draw.choice(["metadata", "tensor", "header bytes", "any bytes", "cut"])
    if kind == "metadata":
        holder: Any = about
        while True:
            key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not (holder[key] and isinstance(holder[key], dict | list) and draw.random() < 0.8):
                break
            holder = holder[key]
        if draw.random() < 0.2:
            del holder[key]
        else:
            holder[key] = draw.choice(VALUES)
    if kind == "tensor":
        name = draw.choice(list(tensors))
        value = draw.choice([0.0, 1.0, -1.0, 1e30, float("nan"), float("inf")])
        change = draw.choice([filled(value), Tensor.half, Tensor.t, Tensor.flatten, Tensor.double])
        tensors[name] = change(tensors[name]).contiguous()
    content = bytearray(save(tensors, {FORMAT: json.dumps(about)}))
    length = 8 + struct.unpack("<Q", content[:8])[0]
    if kind.endswith("bytes"):
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(length if kind == "header bytes" else len(content))
            content[place] = draw.choice([draw.randrange(256), 48 + draw.randrange(10)])
    if kind == "cut":
        del content[draw.randrange(len(content)) :]
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000))
def test_a_mutated_file_is_one_line_or_predicts_what_it_holds(
    seed: int, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    mutated(random.Random(seed), *parts(model, path), path)
    try:
        loaded = Model.load(path, nothing)
    except InputError:
        refused(path)
        return
    found = loaded.outputs(loaded.encoder.features(table()))
    if loaded.encoder.schema.task == "regression":
        found = loaded.estimate(table()).unsqueeze(1)
    x = np.stack([table().column(f"x{i}").to_numpy() for i in range(4)], axis=1)
    expected = by_hand(path, x.astype(np.float64))
    scale = max(np.abs(expected).max(), 1.0)
    assert np.allclose(found.numpy() / scale, expected / scale, atol=1e-4)
