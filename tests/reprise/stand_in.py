"""What stands in for GitHub and GitLab: an HTTP server on loopback that keeps what it is told."""

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
Answer = tuple[int, Any]


@dataclass
class StandIn:
    """What the APIs of both forges would keep. user: whom the token is of, None where it may not ask."""

    user: str | None = ME
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    next_answers: list[Answer] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any) -> Answer:
        self.calls.append(f"{method} {path}")
        if self.next_answers:
            return self.next_answers.pop(0)
        if path == "/user":
            return (
                (200, {"login": self.user, "id": self.user})
                if self.user
                else (403, {"message": "Not accessible"})
            )
        comment = re.fullmatch(r".*/(?:issues/comments|notes)/(\d+)", path)
        if comment:
            self.comments[int(comment[1])] |= sent
            return 200, self.comments[int(comment[1])]
        if path.endswith(("/issues/7/comments", "/merge_requests/7/notes")):
            return (
                self._page(query)
                if method == "GET"
                else (201, self.add(self.user or BOT, sent["body"]))
            )
        pull = re.fullmatch(r"/(?:repos/o/r/pulls|projects/g/n/merge_requests)(?:/(\d+))?", path)
        if pull is None:
            return 404, {"message": "Not Found"}
        return self._pull(method, pull[1], query, sent)

    def add(self, user: str | None, body: str) -> dict[str, Any]:
        number = len(self.comments)
        who = None if user is None else {"login": user, "id": user}
        page = f"https://forge.test/7#{number}"
        self.comments.append(
            {"id": number, "body": body, "user": who, "author": who, "html_url": page}
        )
        return self.comments[-1]

    def _page(self, query: dict[str, str]) -> Answer:
        size, page = int(query["per_page"]), int(query["page"])
        return 200, self.comments[size * (page - 1) : size * page]

    def _pull(self, method: str, number: str | None, query: dict[str, str], sent: Any) -> Answer:
        if number == "7":
            return 200, {"web_url": "https://forge.test/7"}
        if number is not None:
            self.pulls[int(number)] |= sent
            return 200, self.pulls[int(number)]
        if method == "GET":
            branch = query.get("source_branch") or query["head"].removeprefix("o:")
            base = query.get("target_branch") or query["base"]
            states = STATES[
                query.get("state", "all" if "source_branch" in query else "open")
            ]  # as each forge has it
            found = [
                p
                for p in self.pulls
                if (p["branch"], p["base"]) == (branch, base) and p["state"] in states
            ]
            return 200, found[::-1]  # the newest first
        branch, base = (
            sent.get("source_branch") or sent["head"],
            sent.get("target_branch") or sent["base"],
        )
        state = "opened" if "source_branch" in sent else "open"
        return 201, self.open(
            branch, base, state=state, **{k: v for k, v in sent.items() if k != "base"}
        )

    def open(
        self, branch: str, base: str, fork: bool = False, state: str = "open", **of: Any
    ) -> dict[str, Any]:
        number = len(self.pulls)
        page = f"https://forge.test/pull/{number}"
        projects = {"source_project_id": 2 if fork else 1, "target_project_id": 1}
        numbers = {"number": number, "iid": number, "html_url": page, "web_url": page}
        about = {"branch": branch, "base": base, "state": state, "merged_at": None}
        self.pulls.append({**of, **about, **numbers, **projects})
        return self.pulls[-1]


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(size)) if size else None
            url = urlsplit(self.path)
            stand_in.tokens.add(
                self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN")
            )
            status, said = stand_in.answer(
                self.command, unquote(url.path), dict(parse_qsl(url.query)), sent
            )
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{stand_in.address}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    return Handler


@contextmanager
def serving() -> Iterator[StandIn]:
    """The server, until the block ends."""
    made = StandIn()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(made)) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()
