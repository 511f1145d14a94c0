"""Requests to the API of a platform, with Python's own client.

A token goes to the address that it was given for and to no other: no redirect, no next page takes it to another host.
What is sent again is bounded in number and in time, and what may have been done already is not sent again from here.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ForgeError
from erm_alembic.forge.deadline import Deadline
from erm_alembic.forge.waiting import UNSAID, asked_to_wait, backoff, is_rate_limit
from erm_alembic.render.safe import clip, one_line
from erm_alembic.version import __version__

__all__ = ["SHAPE", "Answer", "Api", "Rejected", "Uncertain", "endless", "other_shape", "refused"]

TRIES = 4
REDIRECTS = 5
# In seconds.
SILENCE = 30.0
PATIENCE = 120.0
# In bytes: a page of comments, or a plan that was kept.
LARGEST = 96 * 1024 * 1024
NOTHING_SENT = "Nothing was sent."
# What reading an answer raises that has another shape.
SHAPE = (KeyError, TypeError, AttributeError, ValueError)


class Rejected(Exception):
    """The platform answered, and refused.

    Args:
        status: the status of HTTP.
        said: its reason, on one line.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.said = said


def other_shape(platform: str, error: Exception) -> ForgeError:
    """The error of an answer that is JSON, and not what the documentation says.

    Args:
        platform: `GitHub` or `GitLab`.
        error: what reading it raised.
    """
    return ForgeError(
        f"{platform} answered in another shape than its documentation has ({type(error).__name__}).",
        effect="What was asked for is not known to be done.",
        cure="Check --api-url: something else may answer there.",
    )


def endless(pages: int) -> ForgeError:
    """The error of a list whose pages do not end.

    Args:
        pages: how many were read.
    """
    return ForgeError(
        f"The list does not end after {pages} pages.", effect="Nothing was sent.", cure="Check --api-url."
    )


def refused(platform: str, said: str) -> ForgeError:
    """The error of an answer of which nothing more is known than what it says.

    Args:
        platform: `GitHub` or `GitLab`.
        said: the status, with the platform's own words.
    """
    return ForgeError(
        f"{platform} refuses ({said}).",
        effect="Nothing was written there.",
        cure="Correct what it names, and try again.",
    )


class Uncertain(Exception):
    """What was sent may have been done: the connection was lost, or the server failed, before it said.

    Args:
        why: what happened.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Answer:
    """What the platform answered.

    Args:
        status: the status of HTTP.
        headers: by name in small letters.
        content: the body.
        url: what was asked in the end.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    def json(self) -> Any:
        """The body, read.

        Raises:
            ForgeError: it is no JSON, so that something else than an API has answered.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise ForgeError(
                f"{_place(self.url)} answered with something that is not JSON.",
                effect="What was asked for is not known.",
                cure="Check the address of the API: --api-url, GITHUB_API_URL or CI_API_V4_URL.",
            ) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where a redirect leads is looked at before it is followed."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class Api:
    """The API of a platform.

    Args:
        base: its address, such as `https://api.github.com`.
        headers: what each request has, the token too.
        ca_file: a certificate authority to trust beside the system's own.
        longest: how long one request may take as a whole, in seconds.
        pause: waits for so many seconds.
        clock: the seconds since 1970.
    """

    base: str
    headers: Mapping[str, str] = field(repr=False)
    ca_file: str | None = None
    longest: float = PATIENCE
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    _waited: float = 0.0

    def __post_init__(self) -> None:
        self.base = self.base.rstrip("/")
        try:
            parts = urlsplit(self.base)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            raise ForgeError(
                "The address of the API is no http:// or https:// address of a host, without a user.",
                effect=NOTHING_SENT,
                cure="Write it as in: --api-url https://api.github.com",
            )
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError):
                raise ForgeError(
                    f"The certificate authority in {self.ca_file} cannot be read.",
                    effect=NOTHING_SENT,
                    cure="Correct CI_SERVER_TLS_CA_FILE, or take it away.",
                ) from None
        self._deadline = Deadline(context)
        self._opener = urllib.request.build_opener(_NoRedirects, *self._deadline.handlers)

    def url(self, place: str) -> str:
        """The whole address of a path below the API's; an address that is whole stays as it is.

        Args:
            place: such as `/user`.
        """
        return place if "://" in place else self.base + place

    def send(self, method: str, place: str, body: Mapping[str, Any] | None = None, *, again: bool = True) -> Answer:
        """Send a request, and answer what came back with a status of success.

        Args:
            method: `GET`, `POST`, `PUT` or `PATCH`.
            place: a path below the API's address, or a whole address of the same host.
            body: what is sent, as JSON.
            again: whether it may be sent a second time after it may have been done.

        Raises:
            Rejected: the platform refused.
            Uncertain: it may have been done, and is not to be sent again.
            ForgeError: the platform cannot be reached, or wants to be left alone for longer than is waited here.
        """
        url = self._own(self.url(place))
        for tried in range(1, TRIES + 1):
            try:
                answer = self._followed(method, url, body)
            except Uncertain as lost:
                if not again:
                    raise
                if tried == TRIES:
                    raise self._unreachable(lost.why) from None
                self._wait(backoff(tried), lost.why)
                continue
            if answer.status < 300:
                return answer
            said = _said(answer)
            if is_rate_limit(answer.status, answer.headers, said):
                limited = f"the platform limits how often it is asked (HTTP {answer.status})"
                if tried == TRIES:
                    raise self._unreachable(limited)
                asked = asked_to_wait(answer.headers, self.clock())
                self._wait(UNSAID if asked is None else asked, limited)
                continue
            if answer.status < 500:
                raise Rejected(answer.status, said)
            failed = f"HTTP {answer.status}" + (f": {said}" if said else "")
            if not again:
                raise Uncertain(failed)
            if tried == TRIES:
                raise self._unreachable(failed)
            asked = asked_to_wait(answer.headers, self.clock())
            self._wait(backoff(tried) if asked is None else asked, failed)
        raise AssertionError("every last try has ended")

    def rest(self, why: str) -> None:
        """Wait a moment before something is looked at again.

        Args:
            why: what happened, for the error where the patience is used up.
        """
        self._wait(backoff(1), why)

    def _own(self, url: str) -> str:
        if _origin(url) != _origin(self.base):
            self._refuse_elsewhere(url)
        return url

    def _refuse_elsewhere(self, url: str) -> NoReturn:
        raise ForgeError(
            f"{_place(self.base)} leads to another host, {_place(url)}.",
            effect="The token was not sent there.",
            cure="Give the address that it leads to as --api-url, if it is the right one.",
        )

    def _followed(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        """The answer behind the redirects; a file may lie on another host, which is asked without the token."""
        headers = dict(self.headers)
        for _ in range(REDIRECTS + 1):
            answer = self._asked(method, url, body, headers)
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or target is None:
                return answer
            found = urljoin(url, target)
            if _origin(found) != _origin(self.base):
                if method != "GET" or not found.startswith(("https://", "http://")):
                    self._refuse_elsewhere(found)
                headers = {}
            if answer.status == 303:
                method, body = "GET", None
            url = found
        raise ForgeError(
            f"{_place(self.base)} leads from one address to the next without an end.",
            effect=NOTHING_SENT,
            cure="Check --api-url.",
        )

    def _asked(self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        content = None if body is None else json.dumps(body).encode("ascii")
        request = urllib.request.Request(url, content, method=method)
        for name, value in {"User-Agent": f"erm-alembic/{__version__}", **headers}.items():
            request.add_header(name, value)
        if content is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._deadline.within(self.longest):
                answer = _answered(self._opener, request)
            if not self._deadline.is_over:
                return answer
            raise TimeoutError
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            if self._deadline.is_over:
                self._waited += self.longest  # so that it is not tried four times as long
                raise Uncertain(f"the answer had not ended after {self.longest:g} s") from None
            cause = getattr(error, "reason", error)
            why = one_line(redact(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__))
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise ForgeError(
                    f"The certificate of {_place(url)} is not to be trusted: {cause.verify_message}.",
                    effect=NOTHING_SENT,
                    cure="Name its certificate authority: SSL_CERT_FILE=/path/to/ca.pem",
                ) from None
            raise Uncertain(why) from None

    def _wait(self, seconds: float, why: str) -> None:
        if self._waited + seconds > PATIENCE:
            raise self._unreachable(f"{why}; it asks to wait for {seconds:.0f} s")
        self._waited += seconds
        self.pause(seconds)

    def _unreachable(self, why: str) -> ForgeError:
        return ForgeError(
            f"{_place(self.base)} does not answer as it should: {why}.",
            effect="What was asked for was not done, as far as is known.",
            cure="Run the command again later; it changes nothing twice.",
        )


def _answered(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Answer:
    """The whole answer, of whatever status."""
    try:
        with opener.open(request, timeout=SILENCE) as response:
            return _answer(response.status, response.headers, _whole(response), request.full_url)
    except urllib.error.HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, _whole(refused), request.full_url)


def _whole(response: Any) -> bytes:
    """The body, as long as it was said to be: a connection that is lost ends a read as the end of the body does."""
    content: bytes = response.read(LARGEST + 1)
    if len(content) <= LARGEST and (missing := getattr(response, "length", None)):
        raise http.client.IncompleteRead(content, missing)
    return content


def _answer(status: int, headers: Message, content: bytes, url: str) -> Answer:
    if len(content) > LARGEST:
        raise ForgeError(
            f"{_place(url)} answered with more than {LARGEST // 1024 // 1024} MiB.",
            effect="It was not read.",
            cure="Check --api-url.",
        )
    return Answer(status, {name.lower(): value for name, value in headers.items()}, content, url)


def _said(answer: Answer) -> str:
    """The platform's own reason: `message` or `error` of its JSON, which a proxy in between does not write."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    told = document.get("message") or document.get("error_description") or document.get("error") or ""
    return clip(redact(one_line(told if isinstance(told, str) else json.dumps(told))), 300).rstrip(".")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or usual


def _place(url: str) -> str:
    """An address for people: without its query, which may be what a link is signed with."""
    parts = urlsplit(url)
    return one_line(f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}")
