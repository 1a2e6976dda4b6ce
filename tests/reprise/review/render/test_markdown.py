"""The Markdown of a report says what its HTML says, and nothing in it comes alive."""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

import pytest

from reprise.retrain.decision import Decision, Outcome
from reprise.retrain.publish import describe_change
from reprise.review.render.markdown import markdown
from reprise.review.report import Report, ValueChange
from tests.reprise.hostile import HOSTILE, tags, to_html, words_alive
from tests.reprise.review.reports import common


def test_it_shows_what_stands_in_the_html_too() -> None:
    lines = markdown(common()).splitlines()
    assert lines[3] == "**accuracy 0.9778 does not beat `simple.line` (0.9781)**"
    assert lines[5] == "accuracy beats `simple.mean` 0.1017"
    shown = lines[: lines.index("<details><summary>Full difference</summary>")]
    assert not [line for line in shown if "simple.line.auc" in line]
    for expected in (
        "| f1_macro | 0.971 | 0.9763 | +0.0053 |",
        "| ece | – | nan | – |",
        "| auc | nan | nan | same |",
        "355 rows are in both test sets and were paired; "
        "5 are in the old one only, 10 in the new one only.",
        "Of rows that did not pair, log_loss is 0.0921 → 0.0803 "
        "(95 % interval −0.0211 to −0.0025).",
        "**Leakage: 3 ids moved from train to test**: a1f, b2e, c3d",
    ):
        assert expected in lines, expected


def poisoned(value: Any, text: str) -> Any:
    """Copy a part of a report in which every text that data may say is this one."""
    match value:
        case Enum():
            return value
        case str():
            return text
        case list() | tuple():
            return type(value)(poisoned(item, text) for item in value)
        case dict():
            return {text: text}
        case ValueChange():
            return ValueChange(text, text, value.kind, text, f"{text} ")
    if not is_dataclass(value):
        return value
    assert not isinstance(value, type)
    changed = {}
    for field in fields(value):
        if field.name not in ("verdict", "better"):  # enums, whose texts are ours
            changed[field.name] = poisoned(getattr(value, field.name), text)
    return replace(value, **changed)


def unpaired(report: Report) -> Report:
    return replace(report, compared=[])


@cache
def harmless_tags(form: Callable[[Report], Report]) -> list[str]:
    return tags(markdown(form(poisoned(common(), "harm/less"))))


@pytest.mark.parametrize("form", [replace, unpaired])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_comes_alive(text: str, form: Callable[[Report], Report]) -> None:
    """Compare the structure with that of the same report with harmless names."""
    written = markdown(form(poisoned(common(), text)))
    assert words_alive(written) == []
    assert tags(written) == harmless_tags(form)
    assert to_html(written).count("<!-- reprise report -->") == 1


def test_a_report_that_is_too_long_ends_with_a_whole_section() -> None:
    report = poisoned(common(), "[@octocat](https://evil.example)")
    written = markdown(replace(report, compared=report.compared * 200))
    assert 50_000 < len(written) < 65_000
    assert words_alive(written) == []
    assert written.endswith("\n\n_The full difference is too long for a comment._\n")
    found = tags(written)
    assert all(found.count(tag) == found.count(f"/{tag}") for tag in found if tag[0] != "/")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_pull_request_of_retraining_names_its_metric_harmlessly(text: str) -> None:
    decision = Decision(outcome=Outcome.PROMOTED, reason="", base="", metric=text, old=0.5, new=1.0)
    name, _, _ = describe_change(decision).rpartition(" 0.5 -> 1")
    assert not re.search(r"[^\w ,;:.]", name)
