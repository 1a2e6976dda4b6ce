"""Calls the REST API of a forge. No other file sends a request over HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from reprise.errors import PipelineError

PAGE_SIZE = 100
PAGE_LIMIT = 1000
TIMEOUT = 30  # seconds
REASON_LENGTH = 200  # characters of what an API says of an error
RETRY = Retry(
    total=3,
    backoff_factor=1,
    status_forcelist=(502, 503, 504),
    allowed_methods=("GET", "PATCH", "PUT"),
)


class RefusedError(PipelineError):
    """Raised when the API's answer is no success. status: of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class RestApi:
    """Calls one API. The token goes into a header, never into an address or a message."""

    address: str
    headers: Mapping[str, str]

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request and return the parsed answer.

        Raises PipelineError, which names what was called and how it was answered.
        """
        response = self._send(method, path, **arguments)
        try:
            answer = response.json()
        except requests.JSONDecodeError:
            answer = None
        if answer is None or not 200 <= response.status_code < 300:
            found = _describe(response, answer)
            raise RefusedError(f"{self.address}: {method} {path}: {found}", response.status_code)
        return answer

    def items(self, path: str) -> Iterator[Any]:
        """Yield the items of a list, page by page."""
        for page in range(1, PAGE_LIMIT):
            items = self.call("GET", path, params={"per_page": PAGE_SIZE, "page": page})
            yield from items
            if len(items) < PAGE_SIZE:
                return

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Follow no redirect: requests would send GitLab's token along, and make a POST a GET."""
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=RETRY))
            session.mount("http://", HTTPAdapter(max_retries=RETRY))
            session.auth = _keep_headers
            session.headers.update(self.headers)
            url = f"{self.address}{path}"
            try:
                return session.request(
                    method, url, timeout=TIMEOUT, allow_redirects=False, **arguments
                )
            except requests.RequestException as error:
                name = type(error).__name__
                raise PipelineError(
                    f"{self.address}: {name}: no answer to {method} {path}"
                ) from None


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate by nothing else: by default ~/.netrc takes the place of the token's header."""
    return request


def _describe(response: requests.Response, answer: Any) -> str:
    """Say the status, and the API's own reason."""
    found = f"found {response.status_code} {response.reason}"
    reason = None
    if answer is None:
        reason = "no JSON"
    elif isinstance(answer, dict):
        reason = answer.get("message")
    if not reason:
        return found
    return f"{found}: {str(reason)[:REASON_LENGTH]}"
