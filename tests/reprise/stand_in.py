"""Stand in for GitHub and GitLab: an HTTP server on loopback that keeps what it is sent."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

TOKEN = "t0ken-of-a-test"
ME, BOT, OTHER = "me", "github-actions[bot]", "someone"
STATES = {"open": {"open"}, "opened": {"opened"}, "all": {"open", "opened", "closed", "merged"}}
Answer = tuple[int, Any]  # status and body: bytes, or what JSON is made of


@dataclass
class StandIn:
    """Holds what the APIs of both forges would keep.

    user: whose token it is, None where it may not ask; calls: "GET /user" and so on, in order;
    next_answers: to give before all others; address: of the server.
    """

    user: str | None = ME
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    next_answers: list[Answer] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any) -> Answer:
        """Return the status and body with which the forge answers, and keep what was sent."""
        self.calls.append(f"{method} {path}")
        if self.next_answers:
            return self.next_answers.pop(0)
        if path == "/user":
            return self._user()
        comment = re.fullmatch(r".*/(?:issues/comments|notes)/(\d+)", path)
        if comment:
            return self._edit(self.comments, int(comment[1]), sent)
        if path.endswith(("/issues/7/comments", "/merge_requests/7/notes")):
            if method == "GET":
                return self._page(query)
            return 201, self.add(self.user or BOT, sent["body"])
        pull = re.fullmatch(r"/(?:repos/o/r/pulls|projects/g/n/merge_requests)(?:/(\d+))?", path)
        if pull is None:
            return 404, {"message": "Not Found"}
        if pull[1] is not None:
            return self._pull(pull[1], sent)
        if method == "GET":
            return self._matching_pulls(query)
        return self._new_pull(sent)

    def add(self, user: str | None, body: str) -> dict[str, Any]:
        """Add a comment of a user to pull request 7."""
        number = len(self.comments)
        author = None if user is None else {"login": user, "id": user}
        self.comments.append(
            {
                "id": number,
                "body": body,
                "user": author,
                "author": author,
                "html_url": f"https://forge.test/7#{number}",
            }
        )
        return self.comments[-1]

    def open(
        self, branch: str, base: str, fork: bool = False, state: str = "open", **fields: Any
    ) -> dict[str, Any]:
        """Open a pull request. fork: from another project; fields: of the API."""
        number = len(self.pulls)
        page = f"https://forge.test/pull/{number}"
        self.pulls.append(
            {
                **fields,
                "branch": branch,
                "base": base,
                "state": state,
                "merged_at": None,
                "number": number,
                "iid": number,
                "html_url": page,
                "web_url": page,
                "source_project_id": 2 if fork else 1,
                "target_project_id": 1,
            }
        )
        return self.pulls[-1]

    def _user(self) -> Answer:
        if self.user is None:
            return 403, {"message": "Not accessible"}
        return 200, {"login": self.user, "id": self.user}

    @staticmethod
    def _edit(kept: list[dict[str, Any]], number: int, sent: Any) -> Answer:
        kept[number] |= sent
        return 200, kept[number]

    def _page(self, query: dict[str, str]) -> Answer:
        size, page = int(query["per_page"]), int(query["page"])
        return 200, self.comments[size * (page - 1) : size * page]

    def _pull(self, number: str, sent: Any) -> Answer:
        if number == "7":
            return 200, {"web_url": "https://forge.test/7"}
        return self._edit(self.pulls, int(number), sent)

    def _matching_pulls(self, query: dict[str, str]) -> Answer:
        """List pull requests by branch, base and state, the newest first."""
        if "source_branch" in query:  # GitLab
            branch, base = query["source_branch"], query["target_branch"]
            state = query.get("state", "all")
        else:
            branch, base = query["head"].removeprefix("o:"), query["base"]
            state = query.get("state", "open")
        matching = []
        for pull in reversed(self.pulls):
            if (pull["branch"], pull["base"]) == (branch, base) and pull["state"] in STATES[state]:
                matching.append(pull)
        return 200, matching

    def _new_pull(self, sent: dict[str, Any]) -> Answer:
        fields = dict(sent)
        base = fields.pop("base", None)
        if "source_branch" in sent:  # GitLab
            pull = self.open(sent["source_branch"], sent["target_branch"], state="opened", **fields)
        else:
            pull = self.open(sent["head"], base, state="open", **fields)
        return 201, pull


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(size)) if size else None
            url = urlsplit(self.path)
            token = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN")
            stand_in.tokens.add(token)
            query = dict(parse_qsl(url.query))
            status, answer = stand_in.answer(self.command, unquote(url.path), query, sent)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{stand_in.address}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Keep stderr empty."""

    return Handler


@contextmanager
def serving() -> Iterator[StandIn]:
    """Serve a stand-in until the block ends."""
    stand_in = StandIn()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in)) as server:
        stand_in.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()
