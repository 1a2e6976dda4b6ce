"""Test that YAML beyond all limits is refused, wherever DVC reads it, and all other is not."""

from pathlib import Path

import pytest
from dvc.utils.serialize import ParseError, parse_yaml

from reprise.dvc.yaml.limits import parse_limited_yaml
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture

TENS = "bcdefgh"  # each letter stands for ten times what the one before stands for


def powers(first: str, item: str) -> str:
    lines = [f"a: &a {first}"]
    before = "a"
    for name in TENS:
        ten = ", ".join([f"*{before}"] * 10)
        lines.append(f"{name}: &{name} {item.replace('TEN', f'[{ten}]')}")
        before = name
    return "\n".join(lines) + "\n"


BOMBS = {
    "lists": powers("[x]", "TEN"),
    "mappings": powers("{x: 1}", "{x: TEN}"),
    "merge keys": powers("{x: 1}", "{<<: TEN, y: 1}"),
    "long text": f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n",
    "itself": "a: &a [*a]\n",
    "brackets": f"a: {'[' * 100_000}{']' * 100_000}\n",
    "open brackets": "[" * 100_000,
    "braces": f"{'{a: ' * 50_000}1{'}' * 50_000}\n",
    "dashes": f"a:\n  {'- ' * 100_000}1\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_is_too_large_is_refused(bomb: str) -> None:
    with pytest.raises(ParseError, match="expected less"):
        parse_limited_yaml(BOMBS[bomb], "params.yaml")


SPELLED_OUT = {
    "merge keys": "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n",
    "many lists": f"a: [{', '.join(['[x, {y: 1}]'] * 5_000)}]\n",
    "many aliases": f"a: &a [1]\nb: [{', '.join(['*a'] * 50_000)}]\n",
    "dashes": f"cmd: echo {'- ' * 900}\n",
    "brackets in texts": "a: '[[[['\nb: ']]]]'\n",
}


@pytest.mark.parametrize("text", SPELLED_OUT.values(), ids=SPELLED_OUT)
def test_what_is_spelled_out_is_read_as_dvc_reads_it(text: str) -> None:
    assert parse_limited_yaml(text, "params.yaml") == parse_yaml(text, "params.yaml")


@pytest.mark.parametrize("file", ["dvc.yaml", "dvc.lock", "params.yaml", "own.yaml", "b.in.dvc"])
@pytest.mark.parametrize("bomb", ["lists", "brackets"])
def test_yaml_beyond_all_limits_is_one_line(make: Make, file: str, bomb: str) -> None:
    params = {"params": [{"own.yaml": ["a"]}]}
    made = make({"a": stage("cat a.in > o", ["a.in"], "o", **params)}, {file: BOMBS[bomb]})
    for command in ("plan", "run"):
        output = made.run("reprise", command, code=1)
        assert f"'{file}'" in output
        assert "expected less" in output
        assert "Traceback" not in output


def test_a_report_refuses_it_too(make: Make, tmp_path: Path) -> None:
    metrics = {"metrics": [{"m.yaml": {"cache": False}}], "cmd": "true"}
    made = make({"m": metrics}, {"m.yaml": BOMBS["lists"]})
    assert "m.yaml" in made.run("reprise", "report")
    made.edit({"params.yaml": BOMBS["merge keys"]})
    assert "expected less" in made.run("reprise", "report", code=1)
