"""The HTML of a report: the answer comes first, all is in it, nothing runs or is fetched."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from reprise.review.change_state import ChangeState
from reprise.review.confusion import Confusion
from reprise.review.curves import CurveSet
from reprise.review.data.changes import DataChange
from reprise.review.render import wording
from reprise.review.render.html import html
from reprise.review.report import Report, RevisionLabel
from tests.reprise.review.reports import column, commit, common, comparison, metric, table


def words(text: str) -> set[str]:
    return set(text.split())


# BLOCKS set their text apart from what stands before them.
BLOCKS = words("br td th tr p li h1 h2 h3 text title desc figcaption summary svg")
VOID = {"meta", "br"}
TAGS = words(
    "html head meta title style body main header h1 h2 h3 p div span bdi b i br small ul li "
    "table thead tbody tr th td details summary figure figcaption "
    "svg path rect circle text desc a button"
)
ATTRIBUTES = words(
    "lang charset http-equiv content name class scope colspan tabindex role aria-label aria-hidden "
    "viewbox d x y width height cx cy r text-anchor fill-opacity data-name href rel type "
    "id popover popovertarget"
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></svg><iframe src=//evil.test>",
    "{{ 7 * 7 }}{% raw %}",
    "a\nb\r\n\tc\x00\x1b[31m",
    "\u202eevil\u2066 \u200b\ufeff",
    "x" * 10_000,
    "",
    "&lt;b&gt; &#60;",
]


class Page(HTMLParser):
    """Holds the tags, attributes and text of a page. Every tag must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        self.texts += [" "] * (tag in BLOCKS)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def texts(value: Any) -> Iterator[str]:
    """Yield every string of a report."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def with_texts(value: Any, text: str) -> Any:
    """Replace each string of a report that is the user's, as opposed to ours."""
    ours = {
        "page",
        "kind",
        "better",
        "verdict",
        "commit",
        "measure",
        "old_split",
        "new_split",
        "scope",
    }
    if isinstance(value, str):
        return text
    if is_dataclass(value) and not isinstance(value, type):
        changed = {}
        for field in fields(value):
            if field.name not in ours:
                changed[field.name] = with_texts(getattr(value, field.name), text)
        return replace(value, **changed)
    if isinstance(value, list | tuple):
        return type(value)(with_texts(inner, text) for inner in value)
    return value


def test_the_answer_comes_first() -> None:
    page = Page(html(common()))
    metric, result, details, worse = wording.headline(common())
    title = heading = f"{metric} {result}"
    assert worse == ("1 of 2 others worse: recall; 1 of 2 classes and slices worse: region = north")
    about = "me/digits the working tree against main (0123456) on top of fedcba9 by Ann Example,"
    assert page.text.startswith(f"{title} {about} 2026-01-01 {heading} {worse} {details}")


def test_everything_of_the_report_is_in_it() -> None:
    page = Page(html(common()))
    kinds = {"changed", "number", "correct", "higher", "lower"}
    unsaid = {"params.yaml", "metrics.json", "0123456789abcdef", "fedcba9876543210"}
    unsaid |= {f"https://github.com/me/digits/commit/{commit}" for commit in unsaid}
    longer = {"a colour with a long name"}  # in the chart's description
    missing = {text for text in texts(common()) if text not in page.text}
    missing -= kinds | unsaid | longer
    assert missing == {"data/evaluation/predictions.parquet"}  # the only one, so it bears no title


def test_it_shows_verdicts_numbers_and_charts() -> None:
    page = Page(html(common()))
    for expected in (
        "log_loss lower is better better 0.0913 0.0782 −0.0131",
        "recall higher is better worse 0.9722 0.9412 −3.1 pp",
        "region = north worse 120 0.9722 0.9412 −3.1 pp",
        "recall of yes no detectable difference 98 0.9722 0.9782 +0.6 pp",
        "accuracy 0.9778 does not beat simple.line (0.9781) accuracy beats simple.mean 0.1017: by",
        "simple.mean 0.1017: by value alone, not tested",
        "ece – nan –",
        "auc nan nan same",
        "f1_macro 0.971 0.9763 +0.0053",
        "train.optimizer.lr 0.1 0.05",
        "other.yaml: clip none 1",
        "data/raw 1437 → 1502 80 15 4 +age −height zip: integer → text classes, age, colour",
        "Rows: 7 fixed, 5 broken",
        "355 rows are in both test sets and were paired; "
        "5 are in the old one only, 10 in the new one only.",
        "Of rows that did not pair, log_loss is 0.0921 → 0.0803 "
        "(95 % interval −0.0211 to −0.0025).",
        "Leakage: 3 ids moved from train to test: a1f, b2e, c3d",
    ):
        assert expected in page.text, expected
    assert (
        page.tags.count("svg") == 3 + 3 + 2 + 2 + 2 + 2 + 2 * 3
    )  # intervals, parts, matrices, ROC, columns, curves, legends


def test_same_report_same_bytes() -> None:
    assert html(common()) == html(common())


def test_a_common_report_is_light_and_needs_nothing_else() -> None:
    text = html(common())
    page = Page(text)
    assert len(text.encode()) < 100_000
    assert {*page.tags} <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    links = re.findall(r'<a href="https://github.com/me/digits/commit/[0-9a-f]+"', text)
    assert len(links) == 2  # followed by who taps them, and by nobody else
    assert not re.search(r"https?:|url\(|@import|//", re.sub("|".join(links), "", text))


def _fixed_values(page: Page) -> set[str | None]:
    """Return the values of attributes that are the page's own, whatever data says."""
    return {value for name, value in page.attributes if name in ("class", "role", "content")}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_inert(text: str) -> None:
    common_page, page = Page(html(common())), Page(html(with_texts(common(), text)))
    assert {*page.tags} <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    assert _fixed_values(page) <= _fixed_values(common_page)
    assert not re.search("[\x00-\x08\x1b\u200b\u202a-\u202e\u2066-\u2069\ufeff]", page.text)
    assert "x" * 501 not in page.text
    if text.strip() and text.isprintable() and len(text) < 40:
        assert text in page.text


def test_a_page_of_785_columns_shows_what_drifted_and_folds_the_rest() -> None:
    columns = [column(f"pixel_{n}", flag=n % 25 == 0, drift=n / 1000) for n in range(785)]
    wide = replace(common(), data=[DataChange("data/raw", ChangeState.CHANGED, table(*columns))])
    text = html(wide)
    page = Page(text)
    assert page.tags.count("figure") == 12 + 2 + 2 + 2
    assert "and 20 more" in page.text  # of 32 that drifted
    assert "and 485 more" in page.text  # of all
    most, next_most = page.text.index("pixel_775 PSI"), page.text.index("pixel_750 PSI")
    assert most < next_most
    assert len(text.encode()) < 150_000


def test_commits_are_linked_where_they_have_a_page() -> None:
    report = replace(common(), new=RevisionLabel("feature", "fedcba9876543210", commit("fedcba98")))
    text = html(report)
    assert '<a href="https://github.com/me/digits/commit/fedcba98" rel="noreferrer">' in text
    assert "feature (fedcba9) against main (0123456) by Ann Example, 2026-01-01" in Page(text).text
    no_forge = replace(commit("fedcba98"), page=None)
    unlinked = html(replace(report, old=report.new, new=replace(report.new, head=no_forge)))
    assert unlinked.count("<a ") == 1
    before_git = replace(report, old=RevisionLabel("nothing", None), new=RevisionLabel("now", None))
    assert "me/digits now against nothing accuracy" in Page(html(before_git)).text


def test_each_term_that_stands_in_the_report_is_explained() -> None:
    text = html(common())
    for key in ("interval", "holm", "paired", "log-loss", "ece"):
        assert f'popovertarget="term-{key}"' in text
        assert text.count(f'id="term-{key}" popover') == 1
    assert "term-roc-auc" not in text
    assert "term-no-verdict" not in text
    without = metric("roc_auc", low=None, high=None, verdict=None, why="other rows")
    compared = replace(common().compared[0], comparison=comparison(without))
    text = html(replace(common(), compared=[compared], metrics=[]))
    assert set(re.findall(r'id="term-([\w-]+)"', text)) == {
        "interval",
        "holm",
        "paired",
        "no-verdict",
        "roc-auc",
    }
    targets = re.findall(r'popovertarget="([\w-]+)"', text)
    assert {*targets} == {*re.findall(r'id="([\w-]+)"', text)}


def test_a_page_of_many_classes_is_light() -> None:
    classes = [f"class {n}" for n in range(20)]
    counts = [[1000] * 20 for _ in classes]
    compared = replace(common().compared[0], confusion=Confusion(classes, counts, counts))
    lines = [[(n / 200, n / 200) for n in range(201)]] * 10
    roc = CurveSet("ROC", "fpr", "tpr", classes[:10], lines, lines, 190)
    text = html(replace(common(), compared=[compared], curve_sets=[roc]))
    assert len(text.encode()) < 300_000


def test_reports_with_little_to_tell() -> None:
    sides = RevisionLabel("nothing", None), RevisionLabel("the working tree", None)
    nothing = Report(*sides, [], [], [], [], [], [], [])
    page = Page(html(nothing))
    assert page.text.startswith("no metrics")
    assert "table" not in page.tags[: page.tags.index("details")]
    without = metric(
        difference=0.0, low=None, high=None, p_value=None, verdict=None, why="the test rows differ"
    )
    compared = replace(common().compared[0], comparison=comparison(without))
    refused = replace(common(), compared=[compared])
    assert "accuracy higher is better no verdict: the test rows differ" in Page(html(refused)).text
