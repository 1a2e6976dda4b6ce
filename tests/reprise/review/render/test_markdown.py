"""The Markdown of a report says what its HTML says."""

from reprise.review.render.markdown import markdown
from tests.reprise.review.reports import common


def test_it_shows_what_stands_in_the_html_too() -> None:
    lines = markdown(common()).splitlines()
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
