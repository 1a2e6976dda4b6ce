"""Own data, end to end: a CSV with numbers, categories, text ids and missing values."""

import csv
import gzip
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from src.files import temporary
from tests.conftest import Project, one_in
from tests.test_rerun import downstream

pytestmark = pytest.mark.xdist_group("own")  # its fixture takes long


def own_csv(path: Path, n: int = 1500) -> None:
    """income and city decide the class `bought`, with noise; `amount` is the regression target."""
    draw = random.Random(0)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["customer", "age", "income", "city", "note", "bought", "amount"])
        for i in range(n):
            age, income, city = (
                draw.randint(18, 90),
                draw.gauss(50, 15),
                draw.choice(["Köln", "Paris", "São Paulo"]),
            )
            amount = income * 2 + (30 if city == "Paris" else 0) + draw.gauss(0, 5)
            shown_income = "" if draw.random() < 0.1 else f"{income:.2f}"
            bought = "yes" if amount > 110 else "no"
            city = city if i % 20 else ""
            out.writerow(
                [f"C-{i:05}", age, shown_income, city, f"note, {i}", bought, f"{amount:.2f}"]
            )


@pytest.fixture(
    scope="module", params=["classification", pytest.param("regression", marks=pytest.mark.slow)]
)
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, commands: str
) -> Any:
    """The README's three commands, on a CSV."""
    from tests.conftest import new_project

    made = new_project(tmp_path_factory.mktemp("own"), commands)
    target, other, loss = ("bought", "amount", "CrossEntropyLoss")
    if request.param == "regression":
        target, other, loss = "amount", "bought", "MSELoss"
    made.run("dvc", "repro", "fetch")  # as after a first `make repro`
    made.run("dvc", "remove", "fetch", "--outs")
    assert not (made.root / "data/raw").exists()
    (made.root / "data/raw").mkdir(parents=True)
    own_csv(made.root / "data/raw/customers.csv")
    made.run("dvc", "add", "data/raw")
    made.set(
        {
            "prepare.target": target,
            "prepare.task": request.param,
            "prepare.id": "customer",
            "prepare.drop": [other],
            "validate.expectations": [],
            "train.loss.name": loss,
            "train.optimizer": {"name": "Adam", "lr": 0.01},
            "train.epochs": 8,
            "train.batch_size": 50,
            "train.scale": "column",
        }
    )
    assert made.repro() == downstream("prepare")
    return made


def test_own_data_trains_to_a_useful_model(own: Project) -> None:
    import json

    metrics = json.loads((own.root / "data/evaluation/metrics.json").read_text())
    if "r2" in metrics:
        assert metrics["r2"] > 0.7
        assert metrics["r2"] > metrics["baseline"]["mean"]["r2"]
    else:
        assert metrics["accuracy"] > 0.85
        assert metrics["accuracy"] > metrics["baseline"]["majority"]["accuracy"]


def test_predictions_of_raw_rows_are_those_of_evaluate(own: Project) -> None:
    """Raw columns in, the same prediction out as on the prepared test split: no skew."""
    own.stage("predict", "data/model/model.safetensors", "data/raw/customers.csv", "-o", "out.csv")
    with (own.root / "out.csv").open() as file:
        predicted = {row["id"]: row for row in csv.DictReader(file)}
    assert len(predicted) == 1500
    rows = pq.read_table(own.root / "data/evaluation/predictions.parquet").to_pylist()
    for row in rows:
        mine = predicted[row["id"]]["prediction"]
        if isinstance(row["prediction"], str):
            assert mine == row["prediction"]
        else:
            assert float(mine) == pytest.approx(row["prediction"], rel=1e-4, abs=1e-3)


def test_missing_and_unseen_values_are_handled_and_a_missing_column_is_an_error(
    own: Project,
) -> None:
    rows = own.root / "rows.csv"
    rows.write_text(
        "customer,age,income,city,note\na,40,50,Paris,x\nb,,,,\nc,40,50,Atlantis,x\nd,40,50,,x\n"
    )
    own.stage("predict", "data/model/model.safetensors", "rows.csv", "-o", "out.csv")
    with (own.root / "out.csv").open() as file:
        out = list(csv.DictReader(file))
    assert [row["id"] for row in out] == ["a", "b", "c", "d"]
    last = "probability_yes" if "probability_yes" in out[0] else "prediction"
    assert out[2][last] == out[3][last]  # a city never seen counts as none
    rows.write_text("customer,age,city,note\na,40,Paris,x\n")
    output = own.stage(
        "predict", "data/model/model.safetensors", "rows.csv", "-o", "no.csv", code=1
    )
    assert output.startswith(
        "predict: rows.csv: found no column 'income'; expected every column of the model"
    )
    assert output.count("\n") == 1
    rows.write_text("customer,age,income,city,note\na,old,50,Paris,x\n")
    output = own.stage(
        "predict", "data/model/model.safetensors", "rows.csv", "-o", "no.csv", code=1
    )
    assert output == (
        "predict: rows.csv:2: column 'age': found another value; "
        "expected whole numbers, as in training\n"
    )
    output = own.stage("predict", "params.yaml", "rows.csv", "-o", "no.csv", code=1)
    assert "expected a whole model file" in output
    assert output.count("\n") == 1
    assert not (own.root / "no.csv").exists()


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_fraction_in_a_column_of_whole_numbers_is_refused_not_rounded(
    name: str, own: Project
) -> None:
    path = own.root / name
    for age, code in ((45.0, 0), (45.5, 1)):
        columns = {
            "customer": ["a", "b"],
            "age": [None, age],
            "income": [50.0, 50.0],
            "city": ["Paris", "x"],
        }
        if name == "rows.csv":
            pc.write_csv(pa.table(columns), path)
        else:
            pq.write_table(pa.table(columns), path)
        output = own.stage(
            "predict", "data/model/model.safetensors", name, "-o", "out.csv", code=code
        )
    where = "rows.csv:3" if name == "rows.csv" else "rows.parquet: row 2"
    expected = "expected whole numbers, as in training"
    assert output == f"predict: {where}: column 'age': found another value; {expected}\n"


def test_predictions_go_through_links_and_to_devices_and_never_over_a_folder(own: Project) -> None:
    command = ("predict", "data/model/model.safetensors", "data/raw/customers.csv", "-o")
    own.stage(*command, "plain.csv")
    plain = (own.root / "plain.csv").read_text()
    (own.root / "link.csv").symlink_to("named.csv")
    own.stage(*command, "link.csv")
    assert (own.root / "link.csv").is_symlink()
    assert (own.root / "named.csv").read_text() == plain
    counts = [f"data/raw/customers.csv: column {c}" for c in ("'income': 144", "'city': 75")]
    told = "".join(f"{count} missing\n" for count in counts)
    assert own.stage(*command, "/dev/stdout") == f"{plain}{told}/dev/stdout: 1500 predictions\n"
    assert own.stage(*command, "-") == f"{plain}{told}stdout: 1500 predictions\n"
    os.mkfifo(own.root / "pipe")
    with subprocess.Popen(["cat", own.root / "pipe"], text=True, stdout=subprocess.PIPE) as reader:
        own.stage(*command, "pipe")
        assert reader.communicate()[0] == plain
    assert (
        own.stage(*command, "data", code=1)
        == "predict: data: found a folder; expected a file to write\n"
    )


ROWS = """customer,age,income,city,note
00017,40,50,Paris,x
b,200,,Atlantis,
,,50,Paris,x
"""
COUNTS = (
    "{}: column 'age': 1 missing, 1 outside 18 to 90\n"
    "{}: column 'income': 1 missing\n"
    "{}: column 'city': 1 of a category that training had not\n"
)
MODEL = "data/model/model.safetensors"


def test_what_training_had_not_is_counted_and_under_strict_refused(own: Project) -> None:
    (own.root / "odd.csv").write_text(ROWS)
    output = own.stage("predict", MODEL, "odd.csv", "-o", "odd.out.csv")
    assert output == f"{COUNTS.replace('{}', 'odd.csv')}odd.out.csv: 3 predictions\n"
    kept = (own.root / "odd.out.csv").read_bytes()
    with (own.root / "odd.out.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["00017", "b", ""]
    counts = "; ".join(COUNTS.replace("{}: ", "").splitlines())
    for out in ("odd.out.csv", "-"):
        output = own.stage("predict", MODEL, "odd.csv", "-o", out, "--strict", code=1)
        expected = "values as in training, under --strict"
        assert output == f"predict: odd.csv: found {counts}; expected {expected}\n"
    assert (own.root / "odd.out.csv").read_bytes() == kept
    (own.root / "odd.csv").write_text("\n".join(ROWS.splitlines()[:2]))
    output = own.stage("predict", MODEL, "odd.csv", "-o", "odd.out.csv", "--strict")
    assert output == "odd.out.csv: 1 predictions\n"


def streamed(own: Project, rows: bytes, *arguments: str, code: int = 0) -> tuple[bytes, str]:
    """Predict rows from stdin to stdout; return what it wrote to stdout and stderr."""
    python = f"{own.path.split(os.pathsep)[0]}/python"  # a client of the warm process
    command = [python, "-m", "src.predict", MODEL, "-", "-o", "-", *arguments]
    done = subprocess.run(command, cwd=own.root, input=rows, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr.decode()


def test_stdin_and_stdout_are_those_of_files(own: Project) -> None:
    rows = (own.root / "data/raw/customers.csv").read_bytes()
    own.stage("predict", MODEL, "data/raw/customers.csv", "-o", "file.csv")
    expected = (own.root / "file.csv").read_bytes()
    table = pc.read_csv(own.root / "data/raw/customers.csv")
    pq.write_table(table, own.root / "rows.parquet")
    parquet = (own.root / "rows.parquet").read_bytes()
    left = own.root / f".dvc/tmp/reprise/scratch/.spill-{2**22 + 1}-ab"
    left.mkdir(parents=True)
    for given in (rows, gzip.compress(rows), parquet):
        found, told = streamed(own, given)
        assert found == expected
        assert told.endswith("stdout: 1500 predictions\n")
    assert not left.exists()
    found, _ = streamed(own, parquet, "--format", "parquet")
    written = pq.read_table(pa.BufferReader(found))
    own.stage("predict", MODEL, "rows.parquet", "-o", "file.parquet")
    assert written.equals(pq.read_table(own.root / "file.parquet"))
    for nothing, reason in ((b"", "an empty file"), (rows.splitlines()[0], "no rows")):
        out, told = streamed(own, nothing, code=1)
        assert out == b""
        assert f": found {reason}; expected " in told
        assert told.count("\n") == 1


def test_what_a_killed_run_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_TMP", str(tmp_path))
    left = tmp_path / f"scratch/.spill-{2**22 + 1}-ab"
    left.mkdir(parents=True)
    with temporary() as scratch:
        assert scratch.parent == left.parent
        assert not left.exists()
    monkeypatch.setenv("REPRISE_TMP", "/dev/null/no-folder")
    with temporary() as scratch:
        assert scratch.parent == Path(gettempdir())


def test_a_reader_that_leaves_ends_it_without_a_word(own: Project) -> None:
    rows = own.root / "data/raw/customers.csv"
    header, body = rows.read_text().split("\n", 1)
    (own.root / "many.csv").write_text(f"{header}\n{body * 20}")
    command = [sys.executable, "-m", "src.predict", MODEL, "many.csv", "-o", "-"]
    with subprocess.Popen(
        command, cwd=own.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as predict:
        assert predict.stdout is not None
        assert predict.stderr is not None
        assert predict.stdout.readline().startswith(b'"id","prediction"')
        predict.stdout.close()
        assert predict.stderr.read() == b""
    assert predict.returncode == 128 + signal.SIGPIPE


def test_a_row_has_the_same_bits_alone_and_among_others(own: Project) -> None:
    lines = (own.root / "data/raw/customers.csv").read_text().splitlines()
    own.stage("predict", MODEL, "data/raw/customers.csv", "-o", "all.csv")
    expected = (own.root / "all.csv").read_text().splitlines()[1:]
    for rows in (slice(1, 2), slice(7, 10), slice(1499, 1501), slice(100, 1200)):
        (own.root / "some.csv").write_text("\n".join([lines[0], *lines[rows]]))
        own.stage("predict", MODEL, "some.csv", "-o", "some.out.csv")
        found = (own.root / "some.out.csv").read_text().splitlines()[1:]
        assert found == [expected[i - 1] for i in range(len(lines))[rows]]


@pytest.mark.parametrize(
    ("rows", "where"),
    one_in(
        3,
        [
            (
                "customer,age,income,city,note\na,40,50,Paris,x\nAnn,SECRET,50,Paris,x\n",
                "3: column 'age'",
            ),
            ("customer,age,income,city,note\nAnn,40,SECRET,Paris,x\n", "2: column 'income'"),
            ('note,customer,city,income,age\n"a\nb",Ann,Paris,50,SECRET\n', "2: column 'age'"),
            ("customer,age,income,city,note\n\n\nAnn,4.5,50,SECRET,x\n", "4: column 'age'"),
            ("customer,age,income,city,note\nAnn,40,SECRET\n", "2"),
            ("customer,age,income,city,note\nAnn,40,50,Paris,x,SECRET,x\n", "2"),
            ('customer,age,income,city,note\nAnn,40,50,"SECRET,x\n', "2"),
        ],
    ),
)
def test_an_error_names_line_and_column_and_nothing_of_the_row(
    rows: str, where: str, own: Project
) -> None:
    (own.root / "bad.csv").write_text(rows)
    (own.root / "kept.csv").write_text("as it was")
    output = own.stage("predict", MODEL, "bad.csv", "-o", "kept.csv", code=1)
    assert output.startswith(f"predict: bad.csv:{where}: found ")
    assert output.count("\n") == 1
    assert "SECRET" not in output
    assert "Ann" not in output
    assert (own.root / "kept.csv").read_text() == "as it was"
    out, told = streamed(own, rows.encode(), code=1)
    assert out == b""
    assert told.count("\n") == 1
    assert "SECRET" not in told


def test_columns_may_stand_in_any_order_beside_others(own: Project) -> None:
    (own.root / "a.csv").write_text("customer,age,income,city,note\n01,40,50,Paris,x\n")
    (own.root / "b.csv").write_text("more,city,income,age,amount\n?,Paris,50,40,\n")
    for name in ("a", "b"):
        own.stage("predict", MODEL, f"{name}.csv", "-o", f"{name}.out.csv")
    a, b = ((own.root / f"{name}.out.csv").read_text().splitlines() for name in ("a", "b"))
    assert a[0] == f'"id",{b[0]}'
    assert a[1] == f'"01",{b[1]}'
