"""Where training computes: what this machine has not is refused, what it has trains."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from src.errors import InputError
from src.train import run, train_model
from src.training import device as devices
from src.training.build import choose
from src.training.checkpoint import Checkpoints
from src.training.device import Device
from src.training.key import Identity
from src.training.progress import Progress, Step
from tests.test_train import params, pass_all, schema, split_file, table, write_prepared

WITHOUT_GPU = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU"
)


def train(folder: Path, **train: Any) -> list[bytes]:
    """Train on the tiny table; return the bytes of the model and its history."""
    write_prepared(folder)
    pass_all(folder)
    run(params(**train), folder, folder, folder / "model")
    return [(folder / "model" / name).read_bytes() for name in ("model.safetensors", "history.csv")]


@WITHOUT_GPU
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "mps"])
def test_a_device_that_is_not_here_is_one_line_before_training(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as e:
        train(tmp_path, device=name)
    expected = f"expected a device of this machine: auto or cpu (torch {torch.__version__})"
    assert str(e.value) == f"params.yaml: train.device: found {name}; {expected}"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("device", value) for value in ("", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", None, 0)),
        *(("precision", value) for value in ("", "float64", "bfloat16", 16, None)),
        *(("compile", value) for value in (True, "", "reduce-overhead", None)),
    ],
)
def test_other_words_are_refused_with_the_params(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        params(**{key: value})


def test_tf32_is_no_precision_of_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.precision: found tf32; expected float32, bf16"):
        train(tmp_path, precision="tf32")


@pytest.mark.parametrize(
    ("available", "name", "found"),
    [
        (["cpu"], "auto", "cpu"),
        (["cpu", "mps"], "auto", "mps"),
        (["cpu", "cuda:1", "cuda:0"], "auto", "cuda:0"),
        (["cpu", "cuda:1", "cuda:0"], "cuda", "cuda:0"),
        (["cpu", "cuda:1", "cuda:0"], "cuda:1", "cuda:1"),
        (["cpu", "mps"], "cpu", "cpu"),
    ],
)
def test_auto_takes_the_fastest_device(
    available: list[str], name: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "devices", lambda: available)
    assert devices.find("train.device", name) == torch.device(found)


@pytest.mark.parametrize(
    ("device", "of_second"), [("cpu", "cpu"), ("cuda", "cuda:1"), ("cuda:0", "cuda:1")]
)
def test_each_of_several_processes_takes_a_gpu_of_its_own(device: str, of_second: str) -> None:
    of_first = Device("train", torch.device(device), "fp16", "default")
    assert of_first.of_process(1) == replace(of_first, location=torch.device(of_second))


@WITHOUT_GPU
def test_auto_without_a_gpu_gives_the_bytes_of_cpu(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "auto").mkdir()
    assert train(tmp_path / "cpu") == train(tmp_path / "auto", device="auto")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_nearly_the_same_and_twice_the_same_bytes(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("full", "half", "again"):
        (tmp_path / name).mkdir()
    settings: dict[str, Any] = {"clip_norm": 10.0, "epochs": 8}
    _, full = train(tmp_path / "full", **settings)
    assert "device" not in capsys.readouterr().out
    half = train(tmp_path / "half", **settings, precision=precision)
    assert capsys.readouterr().out.startswith(f"device: cpu, {precision}\n")
    assert half == train(tmp_path / "again", **settings, precision=precision)
    losses = [float(text.splitlines()[-1].split(b",")[2]) for text in (full, half[1])]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_what_a_device_cannot_compute_is_one_line() -> None:
    elsewhere = Device("params.yaml: train", torch.device("mps"))
    with pytest.raises(InputError) as e, elsewhere.trying():
        raise NotImplementedError("The operator 'aten::x' is not implemented for MPS\nPlease wait")
    assert str(e.value).startswith("params.yaml: train.device: found mps; expected a model and")
    assert str(e.value).endswith("(The operator 'aten::x' is not implemented for MPS)")
    here = Device("params.yaml: train", torch.device("cpu"))
    with pytest.raises(RuntimeError, match="of the model's own"), here.trying():
        raise RuntimeError("of the model's own")


@pytest.mark.slow  # the import alone takes seconds
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch._inductor, as it is imported
def test_what_cannot_be_compiled_is_one_line_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(InputError) as e:
        train(tmp_path, compile="default")
    assert "params.yaml: train.compile: found default; expected false, or what" in str(e.value)
    assert "No working C++ compiler found" in str(e.value)
    assert not (tmp_path / "model").exists()


def test_a_gpus_name_has_all_that_decides_on_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H100")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91900)
    device = Device("train", torch.device("cuda:1"), "bf16", "default")
    assert str(device) == "cuda:1 (H100), bf16, TF32 off, cuDNN 91900, compiled: default"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", ["default", "max-autotune"])
def test_compiled_training_learns_the_same(mode: str, tmp_path: Path) -> None:
    for name in ("eager", "compiled"):
        (tmp_path / name).mkdir()
    _, eager = train(tmp_path / "eager")
    model, compiled = train(tmp_path / "compiled", compile=mode)
    assert b"_orig_mod" not in model
    for one, other in zip(eager.splitlines()[1:], compiled.splitlines()[1:], strict=True):
        values = [[float(value) for value in line.split(b",")] for line in (one, other)]
        assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_nothing_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Train on the device `meta`, which has shapes alone, as far as the losses are read."""
    meta = Device("params.yaml: train", torch.device("meta"))
    monkeypatch.setattr(Device, "of", classmethod(lambda *_, **__: meta))
    steps: list[Step] = []

    def read(progress: Progress) -> float:
        steps.extend(progress.unread)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "read", read)
    weighted = {"name": "CrossEntropyLoss", "weight": [1.0, 2.0, 3.0]}
    p = params(loss=weighted, clip_norm=1.0)
    described, none = schema("classification"), Checkpoints(None, None, Identity({}))
    rows = split_file(tmp_path / "train.parquet", table(), described)
    with pytest.raises(KeyboardInterrupt):
        train_model(p, choose(p.train, described), described, rows, rows, none)
    assert len(steps) == 11
    assert {step.loss.device.type for step in steps} == {"meta"}
    assert {step.rows.device.type for step in steps} == {"cpu"}
