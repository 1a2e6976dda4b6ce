"""The Markdown of a report says what its HTML says, and nothing in it comes alive."""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest

from reprise.retrain.decision import Decision, Outcome
from reprise.retrain.publish import describe_change
from reprise.review.change_state import ChangeState
from reprise.review.data.changes import DataChange
from reprise.review.render.markdown import LIMIT, markdown, page_markdown
from reprise.review.report import Report, ValueChange
from reprise.review.stats.parts import PartComparison, PartKind
from reprise.review.stats.results import Verdict
from tests.reprise.hostile import HOSTILE, tags, to_html, words_alive
from tests.reprise.review.reports import column, common, comparison, metric, table


def test_it_shows_what_stands_in_the_html_too() -> None:
    lines = markdown(common()).splitlines()
    assert lines[3] == "**accuracy 0.9778 does not beat `simple.line` (0.9781)**"
    assert lines[5] == "accuracy beats `simple.mean` 0.1017: by value alone, not tested"
    shown = lines[: lines.index("<details><summary>Full difference</summary>")]
    assert not [line for line in shown if "simple.line.auc" in line]
    for expected in (
        "| f1_macro | 0.971 | 0.9763 | +0.0053 |",
        "| ece | – | nan | – |",
        "| `region = north` | 120 | 0.9722 | 0.9412 | −3.1 pp | −4.0 to −2.3 | 0.001 | **worse** |",
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


def test_a_report_that_is_too_long_says_which_sections_went() -> None:
    report = poisoned(common(), "[@octocat](https://evil.example)")
    written = markdown(replace(report, compared=report.compared * 200))
    assert 50_000 < len(written) < 65_000
    assert words_alive(written) == []
    last = written.splitlines()[-1]
    assert last.startswith("_Too long for a comment, left out: ")
    assert "methods, Curves, Stages that ran" in last
    found = tags(written)
    assert all(found.count(tag) == found.count(f"/{tag}") for tag in found if tag[0] != "/")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_pull_request_of_retraining_names_its_metric_harmlessly(text: str) -> None:
    decision = Decision(outcome=Outcome.PROMOTED, reason="", base="", metric=text, old=0.5, new=1.0)
    name, _, _ = describe_change(decision).rpartition(" 0.5 -> 1")
    assert not re.search(r"[^\w ,;:.]", name)


def pictures(written: str) -> list[str]:
    """Return the pictures in the text, as SVG."""
    found = re.findall(r"!\[chart\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", written)
    return [b64decode(data).decode() for data in found]


def test_a_page_has_pictures_and_nothing_to_unfold() -> None:
    written = page_markdown(common())
    for absent in ("<details", "mermaid", "Full difference"):
        assert absent not in written
    lines = [line for line in written.splitlines() if not line.startswith("![chart]")]
    said = [line for line in lines if line and not line.startswith(("| ---", "dashed: "))]
    assert len(said) == len(set(said))  # nothing twice
    assert "| fixed | a1f | 3 | `8 (93 %)` | `3 (90 %)` | 2.81 | 0.11 |" in lines
    drawn = pictures(written)
    assert len(drawn) == 2
    for text in drawn:
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert all(f".{style} {{" in text for style in ("line.old", "line.new", "back"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_says_harmlessly_what_data_says(text: str) -> None:
    written = page_markdown(poisoned(common(), text))
    assert len(pictures(written)) == 2
    for picture in pictures(written):
        names = {
            element.tag.partition("}")[2] for element in ElementTree.fromstring(picture).iter()
        }
        assert names == {"svg", "title", "desc", "style", "rect", "path", "text"}
    shown = re.sub(r"!\[chart\]\([^)]*\)", "", written)
    assert words_alive(shown) == []


def many(count: int, worse: int) -> Report:
    """Metrics of which each `worse`-th is worse, and the one after it better."""
    verdicts = {0: "worse", 1: "better"}
    metrics = [metric("accuracy")]
    for n in range(1, count):
        verdict = verdicts.get(n % worse, "no detectable difference")
        metrics.append(metric(f"m{n}", verdict=Verdict(verdict)))
    compared = replace(common().compared[0], comparison=comparison(*metrics), parts=[])
    return replace(common(), compared=[compared])


def test_worse_metrics_come_first_and_are_never_cut() -> None:
    written = markdown(many(120, 4))
    rows = [line for line in written.splitlines() if line.endswith("** |")]
    assert rows[0].startswith("| accuracy |")
    assert [row.split()[1] for row in rows[1:]] == [f"m{n}" for n in range(4, 120, 4)]
    assert "and 90 more" in written
    first = written.splitlines()[1]
    assert "; 29 of 119 others worse: m4, m8, m12 and 26 more** (" in first
    few = markdown(many(8, 5))
    rows = [line for line in few.splitlines() if line.endswith("** |")]
    names = [row.split()[1] for row in rows]
    assert names == ["accuracy", "m5", "m1", "m6", "m2", "m3", "m4", "m7"]


def with_parts(count: int, name: str) -> Report:
    """So many classes, all of them worse, with names of such a length."""
    worse = metric("recall", -0.2, verdict="worse")
    parts = [PartComparison(PartKind.RECALL, f"{name}{n}", 40, worse) for n in range(count)]
    return replace(common(), compared=[replace(common().compared[0], parts=parts)])


def test_worse_classes_stay_whatever_else_goes() -> None:
    """Of 420 with long names all rows are there; of 5,000 whole rows, and how many are not."""
    written = markdown(with_parts(420, "c" * 45))
    assert 40_000 < len(written) <= LIMIT
    assert written.count("** |") == 420 + 3  # and the metrics
    assert written.splitlines()[-1].startswith("_Too long for a comment, left out: ")
    written = markdown(with_parts(5000, "c" * 40))
    assert LIMIT - 2500 < len(written) <= LIMIT
    *_, last_row, empty, note = written.splitlines()
    assert last_row.endswith("| **worse** |")
    assert empty == ""
    found = re.fullmatch(r"_Too long for a comment, left out: .*, the last (\d+) lines._", note)
    assert found is not None
    assert int(found[1]) + written.count("| **worse** |") >= 5000
    assert "details" not in written


def test_classes_that_did_not_move_are_folded() -> None:
    written = markdown(common())
    shown, folded = written.split("<details><summary>Full difference</summary>")
    assert "recall of yes" not in shown
    assert "No difference beyond noise in 1 of 2 classes and slices." in shown
    assert "| recall of yes | 98 | " in folded


def test_what_is_least_important_goes_first() -> None:
    """Under GitHub's limit: columns of data, all metrics, all params, methods, curves, rows."""
    long = [column("c" * 70, drift=n / 1000) for n in range(100)]
    changes = [DataChange(f"data/{n}", ChangeState.CHANGED, table(*long)) for n in range(20)]
    written = markdown(replace(many(120, 4), data=changes))
    assert len(written) <= LIMIT
    assert written.count("| m4 |") == 1
    assert "### Curves" in written
    assert written.splitlines()[-1].startswith("_Too long for a comment, left out: `data/19`, ")
    found = tags(written)
    assert all(found.count(tag) == found.count(f"/{tag}") for tag in found if tag[0] != "/")
