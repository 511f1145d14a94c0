"""The token of a request is found whatever cookies and headers of others it comes with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import connect_cluster
from erm_alembic.routing.blocks import innermost_block
from erm_alembic.routing.integrations import asgi, wsgi
from erm_alembic.routing.integrations.cookies import TokenCarrier
from erm_alembic.routing.positions import Position
from erm_alembic.routing.tokens import UNKNOWN_POSITION, write_token

SECRET = "a secret of these tests"
POSITION = Position(system=7, timeline=1, lsn=0x306EE20)
TOKEN = write_token(POSITION)
CARRIER = TokenCarrier([SECRET], header="X-Causal")
SIGNED = CARRIER.signed(TOKEN)
OWN = f"erm_causal={SIGNED}"
EARLIER = CARRIER.signed(write_token(replace(POSITION, lsn=5)))


@pytest.mark.parametrize(
    "cookies",
    [
        OWN,
        f'prefs={{"x": 1}}; {OWN}',
        f"{OWN}; flag",
        f"a=1;; =2; ;{OWN}",
        f'prefs="a; b; {OWN}; other=(1)',
        f'erm_causal="{SIGNED}"',
        f"erm_causal=forged; {OWN}",
        f"list[0]=1, {OWN}",
        f"naïve=é; {OWN}",
    ],
)
def test_a_cookie_is_found_beside_any_others(cookies: str) -> None:
    """Well-formed or not: what a client loses there, it would read stale without a word."""
    assert CARRIER.read(cookies, None) == TOKEN


@pytest.mark.parametrize("cookies", ["", "erm_causal", "erm_causal=", "erm_causal=x.y", f"x{OWN}", f"other={SIGNED}"])
def test_no_other_cookie_is_taken_for_it(cookies: str) -> None:
    """Nor one that nobody has signed."""
    assert CARRIER.read(cookies, None) is None


@pytest.mark.parametrize(
    ("cookies", "header"),
    [
        (f"erm_causal={EARLIER}; {OWN}", None),
        (f"{OWN}; erm_causal={EARLIER}", None),
        ("", f"{EARLIER}, {SIGNED}"),
        ("", f"{SIGNED}, {EARLIER}"),
        (OWN, EARLIER),
        (f"erm_causal={EARLIER}", SIGNED),
        (OWN, "garbage"),
        ("erm_causal=garbage", SIGNED),
    ],
)
def test_of_several_tokens_the_latest_holds(cookies: str, header: str | None) -> None:
    """Whatever they came by, and whatever else came: of an earlier one a client would read less than it wrote."""
    assert CARRIER.read(cookies, header) == TOKEN


def test_tokens_of_two_histories_stand_for_an_unknown_position() -> None:
    """Nobody can say which of them is later; the primary has all of it."""
    assert CARRIER.read(OWN, CARRIER.signed(write_token(replace(POSITION, timeline=2)))) == UNKNOWN_POSITION


@pytest.mark.parametrize(
    "options",
    [
        {"cookie": "a b"},
        {"cookie": ""},
        {"header": "X\r\nSet-Cookie: x"},
        {"header": "ü"},
        {"max_age": None},
        {"max_age": 0},
        {"max_age": True},
        {"max_age": "300"},
    ],
)
def test_what_no_response_can_say_is_refused(options: dict[str, Any]) -> None:
    """Where the middleware is made, not at the first request."""
    with pytest.raises(ConfigurationError):
        TokenCarrier([SECRET], **options)


def test_no_secret_is_shown() -> None:
    """A carrier stands in tracebacks, with what it holds."""
    assert SECRET not in repr(CARRIER)


def test_what_is_set_is_read_again() -> None:
    """The cookie and the header of a response are those of the next request."""
    headers = dict(CARRIER.headers(TOKEN, secure=True))
    assert CARRIER.read(headers["Set-Cookie"].partition(";")[0], None) == TOKEN
    assert CARRIER.read("", headers["X-Causal"]) == TOKEN


@pytest.mark.parametrize(
    "headers",
    [
        [("cookie", "a=1"), ("Cookie", OWN), ("cookie", "b=2")],
        [("cookie", OWN), ("cookie", 'prefs={"x": 1}')],
        [("x-causal", "forged"), ("x-causal", SIGNED)],
        [("X-CAUSAL", SIGNED), ("x-causal", "forged")],
    ],
    ids=["between others", "before a malformed one", "after a forged one", "before a forged one"],
)
def test_of_several_headers_none_is_lost(headers: list[tuple[str, str]]) -> None:
    """By ASGI each comes as it was sent; by WSGI the server has joined them."""
    assert _by_asgi(headers) == POSITION
    joined: dict[str, str] = {}
    for name, value in headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    assert _by_wsgi(joined) == POSITION


def _by_asgi(headers: list[tuple[str, str]]) -> Position | None:
    seen = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(_after())

    async def nothing(_message: Any = None) -> Any: ...

    with connect_cluster("postgresql://app@db/shop") as cluster:
        wrapped = asgi.CausalMiddleware(app, cluster=cluster, secret=SECRET, header="X-Causal")
        raw = [(name.encode(), value.encode()) for name, value in headers]
        asyncio.run(wrapped({"type": "http", "headers": raw}, nothing, nothing))
    return seen[0]


def _by_wsgi(headers: Mapping[str, str]) -> Position | None:
    seen = []

    def app(_environ: Any, _start_response: Any) -> Iterable[bytes]:
        seen.append(_after())
        return []

    with connect_cluster("postgresql://app@db/shop") as cluster:
        wrapped = wsgi.CausalMiddleware(app, cluster=cluster, secret=SECRET, header="X-Causal")
        response: Any = wrapped(dict(headers), lambda *_: None)
        response.close()
    return seen[0]


def _after() -> Position | None:
    block = innermost_block()
    return None if block is None else block.entered.after


@pytest.mark.parametrize("secrets", [5, "text", b"bytes", [5], [b"bytes"], {"a": "b"}])
def test_a_secret_that_is_no_text_is_refused_in_words(secrets: Any) -> None:
    """Which do not repeat it."""
    with pytest.raises(ConfigurationError, match="no text"):
        TokenCarrier(secrets)
