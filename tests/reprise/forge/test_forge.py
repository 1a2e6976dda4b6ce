"""GitHub's and GitLab's REST, against a stand-in that keeps what it is told, on loopback."""

import re
from pathlib import Path
from typing import Any

import pytest

from reprise.errors import PipelineError
from reprise.forge.provider import Forge, Proposal
from reprise.forge.registry import make_forge
from reprise.forge.rest import RETRY
from tests.reprise.stand_in import BOT, ME, OTHER, TOKEN, Answer, StandIn

MARKER = "<!-- reprise report -->"


def on_github(stand_in: StandIn) -> Forge:
    return make_forge(
        {"GITHUB_REPOSITORY": "o/r", "GITHUB_API_URL": stand_in.address, "GITHUB_TOKEN": TOKEN}
    )


def on_gitlab(stand_in: StandIn) -> Forge:
    return make_forge(
        {"CI_PROJECT_ID": "g/n", "CI_API_V4_URL": stand_in.address, "GITLAB_TOKEN": TOKEN}
    )


both = pytest.mark.parametrize("connect", [on_github, on_gitlab])


@both
def test_a_comment_is_posted_once_and_then_updated(stand_in: StandIn, connect: Any) -> None:
    first = connect(stand_in).comment(7, f"{MARKER}\nold", MARKER)
    second = connect(stand_in).comment(7, f"{MARKER}\nnew", MARKER)
    assert [c["body"] for c in stand_in.comments] == [f"{MARKER}\nnew"]
    assert first == second
    assert first.startswith("https://forge.test/7#")
    assert stand_in.tokens <= {f"Bearer {TOKEN}", TOKEN}


@both
def test_what_others_wrote_is_untouched_whatever_it_says(stand_in: StandIn, connect: Any) -> None:
    stand_in.add(OTHER, f"{MARKER}\nI copied the marker")
    stand_in.add(ME, f"> {MARKER}\nI quoted it")
    stand_in.add(ME, "no marker")
    before = [c["body"] for c in stand_in.comments]
    connect(stand_in).comment(7, f"{MARKER}\nreport", MARKER)
    assert [c["body"] for c in stand_in.comments] == [*before, f"{MARKER}\nreport"]


def test_a_comment_of_a_deleted_account_is_not_ours(stand_in: StandIn) -> None:
    stand_in.add(None, f"{MARKER}\nold")
    on_github(stand_in).comment(7, f"{MARKER}\nnew", MARKER)
    assert [c["body"] for c in stand_in.comments] == [f"{MARKER}\nold", f"{MARKER}\nnew"]


@both
@pytest.mark.parametrize("others", [99, 100, 250])
def test_our_comment_is_found_behind_pages_of_others(
    stand_in: StandIn, connect: Any, others: int
) -> None:
    for number in range(others):
        stand_in.add(OTHER, f"remark {number}")
    stand_in.add(ME, f"{MARKER}\nold")
    connect(stand_in).comment(7, f"{MARKER}\nnew", MARKER)
    assert len(stand_in.comments) == others + 1
    assert stand_in.comments[-1]["body"] == f"{MARKER}\nnew"


def test_the_token_of_a_workflow_may_not_ask_who_it_is(stand_in: StandIn) -> None:
    stand_in.user = None
    stand_in.add(BOT, f"{MARKER}\nold")
    on_github(stand_in).comment(7, f"{MARKER}\nnew", MARKER)
    assert [c["body"] for c in stand_in.comments] == [f"{MARKER}\nnew"]


def test_a_token_that_is_not_known_posts_nothing(stand_in: StandIn) -> None:
    stand_in.next_answers = [(401, {"message": "Bad credentials"})]
    with pytest.raises(PipelineError, match=r"GET /user: found 401 Unauthorized: Bad credentials$"):
        on_github(stand_in).comment(7, "text", MARKER)
    assert stand_in.calls == ["GET /user"]


@both
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, {"message": "Not\nFound"}), "found 404 Not Found: Not Found"),
        (
            (422, {"message": {"base": ["is invalid"]}}),
            "found 422 .*: {'base': \\['is invalid'\\]}",
        ),
        ((500, b"<html>oops</html>"), "found 500 Internal Server Error: no JSON"),
        ((200, b"<html>please log in</html>"), "found 200 OK: no JSON"),
        ((302, {}), "found 302 Found"),
    ],
)
def test_an_answer_that_is_no_success_is_one_line_without_the_token(
    stand_in: StandIn, connect: Any, answer: Answer, expected: str
) -> None:
    stand_in.next_answers = [answer]
    with pytest.raises(
        PipelineError, match=f"{re.escape(stand_in.address)}: GET /user: {expected}$"
    ) as e:
        connect(stand_in).comment(7, "text", MARKER)
    assert TOKEN not in str(e.value)
    assert "\n" not in str(e.value)
    assert stand_in.calls == ["GET /user"]  # a redirect is not followed


def test_a_server_that_is_not_there_is_one_line(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RETRY, "backoff_factor", 0)
    stand_in.address = "http://127.0.0.1:1"
    with pytest.raises(
        PipelineError, match=r"127.0.0.1:1: ConnectionError: no answer to GET /user$"
    ):
        on_github(stand_in).comment(7, "text", MARKER)


def test_a_token_with_a_line_break_is_not_printed(stand_in: StandIn) -> None:
    environment = {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_API_URL": stand_in.address,
        "GITHUB_TOKEN": f"{TOKEN}\n",
    }
    with pytest.raises(PipelineError, match=r"InvalidHeader: no answer to GET /user$") as e:
        make_forge(environment).comment(7, "text", MARKER)
    assert TOKEN not in str(e.value)


def test_a_busy_server_is_asked_again(stand_in: StandIn) -> None:
    stand_in.next_answers = [(503, {})]
    on_gitlab(stand_in).comment(7, f"{MARKER}\nreport", MARKER)
    assert stand_in.calls[:2] == ["GET /user", "GET /user"]
    assert len(stand_in.comments) == 1


def test_netrc_does_not_replace_the_token(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    on_github(stand_in).comment(7, f"{MARKER}\nreport", MARKER)
    assert stand_in.tokens == {f"Bearer {TOKEN}"}


@both
def test_a_pull_request_is_opened_once_and_then_updated(stand_in: StandIn, connect: Any) -> None:
    stand_in.open("retrain", "release", title="another base")
    stand_in.open("other", "main", title="another branch")
    first = connect(stand_in).propose("retrain", "main", "Retrained", "old text")
    second = connect(stand_in).propose("retrain", "main", "Retrained again", "new text")
    assert first == second == Proposal("https://forge.test/pull/2")
    text = "body" if connect is on_github else "description"
    assert [p["title"] for p in stand_in.pulls] == [
        "another base",
        "another branch",
        "Retrained again",
    ]
    assert stand_in.pulls[-1][text] == "new text"


@both
def test_a_pull_request_that_a_reviewer_closed_stays_closed(
    stand_in: StandIn, connect: Any
) -> None:
    connect(stand_in).propose("retrain", "main", "Retrained", "text")
    stand_in.pulls[0]["state"] = "closed"
    found = connect(stand_in).propose("retrain", "main", "Retrained again", "text")
    assert found == Proposal("https://forge.test/pull/0", closed=True)
    assert [(p["title"], p["state"]) for p in stand_in.pulls] == [("Retrained", "closed")]


@both
def test_after_a_merge_a_new_one_is_opened(stand_in: StandIn, connect: Any) -> None:
    connect(stand_in).propose("retrain", "main", "Retrained", "text")
    merged = (
        {"state": "closed", "merged_at": "2026-01-01"}
        if connect is on_github
        else {"state": "merged"}
    )
    stand_in.pulls[0] |= merged
    assert connect(stand_in).propose("retrain", "main", "Again", "text") == Proposal(
        "https://forge.test/pull/1"
    )
    assert connect(stand_in).propose("retrain", "main", "Once more", "text") == Proposal(
        "https://forge.test/pull/1"
    )


def test_a_merge_request_of_a_fork_with_that_branch_name_is_untouched(stand_in: StandIn) -> None:
    stand_in.open("retrain", "main", fork=True, title="theirs")
    on_gitlab(stand_in).propose("retrain", "main", "Retrained", "text")
    assert [p["title"] for p in stand_in.pulls] == ["theirs", "Retrained"]
