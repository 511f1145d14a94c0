"""Secrets are masked wherever they appear."""

from __future__ import annotations

import json
import secrets
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.config import redaction
from erm_alembic.config.redaction import redact, register_secret
from erm_alembic.config.sealed import register_address

awkward = st.text(st.sampled_from("@:/%?& '\"\\$é🐘#=+*"), max_size=8)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with no secret known."""
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)


@given(before=awkward, after=awkward)
def test_a_registered_secret_is_masked_in_every_writing(before: str, after: str) -> None:
    """A secret is masked bare, percent-encoded, in JSON, in a repr and in a conninfo string, wherever it stands."""
    core = f"core{secrets.token_hex(6)}"
    secret = before + core + after
    register_secret(secret)
    conninfo = secret.replace("\\", "\\\\").replace("'", "\\'")
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret), repr(secret), conninfo):
        assert core not in redact(f"x{form}y")


def test_a_password_nobody_registered_is_masked_by_its_place() -> None:
    """Passwords in URLs and keyword strings are masked even when they are unknown."""
    assert redact("at postgresql://app:hunter2@db/shop!") == "at postgresql://app:***@db/shop!"
    assert redact("postgresql+asyncpg://app:p@ss/w@db/shop") == "postgresql+asyncpg://app:***@db/shop"
    assert redact("host=db password=hunter2 user=app") == "host=db password=*** user=app"
    assert redact("host=db password = 'hun\\'ter 2' user=app") == "host=db password = *** user=app"
    assert redact("postgresql://db/shop?password=hunter2&sslmode=require") == (
        "postgresql://db/shop?password=***&sslmode=require"
    )


@pytest.mark.parametrize("text", ["https://example.org:8080/path", "postgresql://app@db/shop", "a@b.org wrote: x"])
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    """Addresses without a password are not touched."""
    assert redact(text) == text


def test_a_short_secret_is_masked_only_where_it_stands_alone() -> None:
    """A short password does not blacken the words that hold it, and one of two letters nothing."""
    register_secret("app")
    register_secret("ab")
    assert redact("application of app, ab") == "application of ***, ab"


def test_a_password_that_is_also_a_name_is_masked_by_its_place_only() -> None:
    """postgres:postgres@ does not turn every mention of the user into stars."""
    register_address("postgresql://postgres:postgres@db/shop")
    assert redact("user postgres, postgresql://postgres:postgres@db") == "user postgres, postgresql://postgres:***@db"


def test_an_address_that_cannot_be_read_is_masked_whole(secret: str) -> None:
    """What is no address of PostgreSQL is a secret from its first letter to its last."""
    register_address(f"mysql://app:{secret}@db/shop")
    assert redact(f"<mysql://app:{secret}@db/shop> {secret}") == "<***> ***"


def test_a_variable_in_the_place_of_a_password_can_be_pasted_and_hides_nothing() -> None:
    """`${NAME}` alone stays, as erm.yaml has it; whatever is more than that is masked as a password."""
    for line in (
        'database: {url: "postgresql://app:${DB_PASSWORD}@db/shop"}',
        "host=db password=${DB_PASSWORD} user=app",
    ):
        assert redact(line) == line
    for line in (
        "postgresql://app:${DB}hunter2@db",
        "postgresql://app:${A:-hunter2}@db",
        "postgresql://app:${A}@hunter2@db",
    ):
        assert "hunter2" not in redact(line)
    assert redact("password=${A}hunter2 user=app") == "password=*** user=app"
