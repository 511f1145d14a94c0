"""The blocks of docs/routing.md that are there to be pasted run as they stand, against a real database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.support.cli import REPOSITORY
from tests.support.databases import Database

PAGE = (REPOSITORY / "docs" / "routing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WRITE = text("SELECT pg_current_xact_id()")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the applications are told by their environment."""
    monkeypatch.setenv("CAUSAL_SECRET", "one long text")
    monkeypatch.setenv("FORMER_CAUSAL_SECRET", "another long text")


@pytest.fixture
def made(one_database: Database, secrets: None) -> Iterator[Any]:
    """Runs the block in which a name stands, with the address of a database that is there."""
    clusters = []

    def make(name: str) -> dict[str, Any]:
        (block,) = [each for each in BLOCKS if name in each]
        names: dict[str, Any] = {"__name__": "pasted"}
        exec(block.replace("postgresql://app@db/shop", one_database.url), names)
        clusters.append(names["cluster"])
        return names

    yield make
    for cluster in clusters:
        cluster.close()


def test_the_lines_for_fastapi_carry_a_token(made: Any) -> None:
    """A write is answered with a signed cookie, and the lifespan lets go of the connections."""
    names = made("FastAPI")

    @names["app"].post("/notes")  # type: ignore[untyped-decorator]
    async def write() -> None:
        async with names["Session"]() as session:
            await session.execute(WRITE)
            await session.commit()

    with TestClient(names["app"]) as client:
        assert client.get("/notes").cookies == {}
        assert client.post("/notes").cookies.keys() == {"erm_causal"}
    asyncio.run(names["cluster"].aclose())


def test_the_lines_for_flask_carry_a_token(made: Any) -> None:
    """In the cookie and the header that were named, which live as long as was said."""
    names = made("Flask")

    @names["app"].post("/notes")  # type: ignore[untyped-decorator]
    def write() -> str:
        with names["Session"]() as session:
            session.execute(WRITE)
            session.commit()
        return ""

    told = names["app"].test_client().post("/notes").headers
    assert told["X-Causal"]
    assert told["Set-Cookie"].startswith("erm_causal=") and "Max-Age=300" in told["Set-Cookie"]


def test_every_block_of_the_page_is_python() -> None:
    """What is pasted can at least be read."""
    assert len(BLOCKS) >= 4
    for block in BLOCKS:
        compile(block, "docs/routing.md", "exec")
