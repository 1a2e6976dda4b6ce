"""A class of the user's own: wrong arguments are one line, an error inside is its traceback."""

from pathlib import Path

import pytest

from tests.conftest import Project, copied

GOOD = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x)
"""
BASE = """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.units = {}["units"]

class Net(Base):"""

# What is wrong: the text to replace, the text in its place, the error, the faulty line.
BROKEN = {
    "a name in __init__": (
        "nn.Linear(inputs, width)",
        "nn.Linear(inputs, self.widht)",
        "AttributeError: 'Net' object has no attribute 'widht'",
    ),
    "a type in __init__": ("nn.Tanh()", "nn.Tanh(1)", "TypeError: "),
    "a value in __init__": ("nn.Tanh()", "int('a')", "ValueError: invalid literal for int()"),
    "a key in a base class": ("\nclass Net(nn.Module):", BASE, "KeyError: 'units'"),
    "a missing file": ("nn.Tanh()", "open('a.txt')", "FileNotFoundError: "),
    "a name in forward": ("self.layers(x)", "self.layer(x)", "AttributeError: 'Net' object"),
    "a shape in forward": ("self.layers(x)", "self.layers(x.T)", "RuntimeError: mat1 and mat2"),
    "a missing file in forward": (
        "self.layers(x)",
        "self.layers(open('a.txt'))",
        "FileNotFoundError: ",
    ),
    "an exit": ("self.layers(x)", "exit(0)", "SystemExit: 0"),
    "no gradient": ("self.layers(x)", "self.layers(x).detach()", "RuntimeError: element 0"),
    "an import": ("\nfrom torch", "import no_such\nfrom torch", "ModuleNotFoundError: No module"),
    "a name to import": ("import nn", "import nnn", "ImportError: cannot import name 'nnn'"),
    "the syntax": ("import nn", "import nn nn", "SyntaxError: invalid syntax"),
    "a name in the module": ("\nclass Net", "nn.Nothing\nclass Net", "AttributeError: "),
}


def train(project: Project, source: str, **arguments: object) -> str:
    """Train the class; return what a failed run prints."""
    (project.root / "own_net.py").write_text(source)
    project.set({"train.model": {"name": "own_net:Net", "width": 5, **arguments}})
    return project.stage("train", "data/prepared", "data/validated", "out", code=1)


@pytest.mark.parametrize("kind", BROKEN)
def test_an_error_inside_the_class_is_its_traceback_below_one_line(
    kind: str, finished: Project, tmp_path: Path
) -> None:
    old, new, error = BROKEN[kind]
    assert GOOD.count(old) == 1
    output = train(copied(finished, tmp_path), GOOD.replace(old, new))
    first, second, *traceback, last = [
        line for line in output.splitlines() if not line.startswith("Epoch ")
    ]
    name = last.split(":")[0]
    assert first == f"train: params.yaml: train.model: own_net:Net raised {name}; its traceback:"
    assert second == "Traceback (most recent call last):"
    assert error in last
    if kind != "no gradient":  # torch finds it later
        assert "own_net.py" in "".join(traceback)
        assert new.strip().splitlines()[0] in output or kind == "a key in a base class"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (GOOD, {"witdh": 5}, "train.model.witdh: found an unknown argument; expected one of width"),
        (GOOD.replace("width):", "width, depth):"), {}, "missing a required argument: 'depth'"),
        (GOOD.replace("inputs, outputs,", "outputs,"), {}, "unexpected keyword argument 'inputs'"),
        (GOOD.replace("class Net", "class Nett"), {}, "module 'own_net' has no attribute 'Net'"),
        ("Net = 5", {}, "train.model.name: found 'own_net:Net'; expected a class of torch.nn"),
        (
            GOOD.replace("self.layers(x)", "self.layers(x)[0]"),
            {},
            "train.model: found a network that returns float32 of shape [10] for 100 rows; "
            "expected a tensor of floats of shape [100, 10]",
        ),
    ],
)
def test_what_does_not_fit_the_class_is_one_line(
    source: str, arguments: dict[str, object], message: str, finished: Project, tmp_path: Path
) -> None:
    output = train(copied(finished, tmp_path), source, **arguments)
    assert output.startswith("train: params.yaml: train.model")
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["no_such:Net", "no_such.own:Net", "tests.no_such:Net", ":Net", "a..b:C"]
)
def test_a_module_that_is_not_there_is_one_line(
    name: str, finished: Project, tmp_path: Path
) -> None:
    project = copied(finished, tmp_path)
    project.set({"train.model": {"name": name}})
    output = project.stage("train", "data/prepared", "data/validated", "out", code=1)
    assert output.startswith(f"train: params.yaml: train.model.name: found '{name}'")
    assert output.endswith("; expected an importable module:Class\n")
    assert output.count("\n") == 1


def test_an_error_that_comes_only_in_evaluate_is_its_traceback_too(
    finished: Project, tmp_path: Path
) -> None:
    project = copied(finished, tmp_path)
    (tmp_path / "own_net.py").write_text(GOOD)
    project.set({"train.model": {"name": "own_net:Net", "width": 5}})
    project.stage("train", "data/prepared", "data/validated", "model")
    for old, new, where in (
        ("self.layers(x)", "self.layer(x)", "params.yaml: train.model"),
        ("nn.Tanh()", "nn.Tanhh()", "model/model.safetensors: model"),
    ):
        (tmp_path / "own_net.py").write_text(GOOD.replace(old, new))
        output = project.stage("evaluate", "model", "data/prepared", "out", code=1)
        line = f"evaluate: {where}: own_net:Net raised AttributeError; its traceback:\n"
        assert output.startswith(f"{line}Traceback (most recent call last):\n")
        assert new in output


def test_a_model_file_imports_only_the_class_that_params_yaml_names(
    finished: Project, tmp_path: Path
) -> None:
    project = copied(finished, tmp_path)
    (tmp_path / "own_net.py").write_text(GOOD)
    (tmp_path / "evilnet.py").write_text(f"print('imported')\n{GOOD}")
    project.set({"train.model": {"name": "own_net:Net", "width": 5}})
    project.stage("train", "data/prepared", "data/validated", "model")
    file = tmp_path / "model" / "model.safetensors"
    predict = ("predict", str(file), "data/raw/digits.parquet", "-o", "out.csv")
    project.stage(*predict)
    content = file.read_bytes()
    assert content.count(b"own_net:Net") == 1
    file.write_bytes(content.replace(b"own_net:Net", b"evilnet:Net"))
    expected = "a class that train.model in params.yaml names, or --trust-model-class"
    refused = f"model.name: found 'evilnet:Net'; expected {expected}\n"
    for command in (("evaluate", "model", "data/prepared", "out"), predict):
        output = project.stage(*command, code=1)
        assert output.endswith(refused)
        assert output.count("\n") == 1
    file.write_bytes(content)
    (tmp_path / "params.yaml").unlink()
    project.stage(*predict, code=1)
    project.stage(*predict, "--trust-model-class", "own_net:Net")
