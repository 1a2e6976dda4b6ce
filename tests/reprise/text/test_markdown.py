"""Whatever data says is inert in Markdown, and readable."""

import re

import pytest

from reprise.text.markdown import code_block, escaped, plain_words, sentence, table
from reprise.text.values import single_line
from tests.reprise.hostile import ALIVE, HOSTILE, code, tags, words_alive


def as_shown(text: str) -> str:
    return re.sub("`{20,}", "…", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_read_as_it_is(text: str) -> None:
    shown = as_shown(single_line(text))
    assert code(escaped(text)) == [shown]
    assert code(table(["a", "b"], [[escaped(text), "c"]])) == [shown]
    assert tags(table([escaped(text), "b"], [["c", escaped(text)]])) == tags(
        table(["a", "b"], [["c", "d"]])
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("before", ["", "old is "])
def test_a_sentence_keeps_its_words(text: str, before: str) -> None:
    written = sentence(f"{before}{text} and more", 999)
    assert words_alive(written) == []
    assert tags(written) == ["p", "/p"]
    assert "and more" in written


@pytest.mark.parametrize("text", HOSTILE)
def test_a_title_mentions_links_and_refers_to_nothing(text: str) -> None:
    words = plain_words(f"Retrained: {text} 0.8, better", 999)
    assert not re.search(r"[^\w ,;:.]", words)
    harmless = re.compile(r"\b[0-9a-fA-F]{7,40}\b|evil|octocat")  # without what makes them links
    assert ALIVE.findall(harmless.sub("", words)) == []
    assert words.startswith("Retrained:")
    assert words.endswith("0.8, better")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_holds_its_lines(text: str) -> None:
    assert code(code_block(f"one\n{text}\ntwo")) == [f"one\n{as_shown(text)}\ntwo\n"]


@pytest.mark.parametrize(
    "text",
    [
        "McNemar's exact test, Tango's score interval",
        "0.7 → 0.8311: better",
        "+12.2 pp, 95 % CI +6.4 to +18.1, 400 rows paired (of them 9.6 pp)",
        "min 0, q1 1e-5, sd −2.01, mean 2e+20 +1.23e+06; at least 50% are needed.",
        "no results a row, so noise and real change can't be told apart",
    ],
)
def test_our_own_words_stay_as_they_are(text: str) -> None:
    assert sentence(text) == text


def test_plain_names_stay_as_they_are() -> None:
    for name in ("accuracy", "f1_macro", "feedback", "0.971", "−3", "two words"):
        assert escaped(name) == name
