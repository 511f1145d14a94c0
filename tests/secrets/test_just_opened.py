"""A connection that was opened while its login was replaced is handed out: a pool tries again only so often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from erm_alembic.config.credentials.credential import Credential
from erm_alembic.config.secrets.protocol import Secret
from erm_alembic.postgres import logins


class Connection:
    """What a driver has."""


@pytest.mark.parametrize(
    ("age", "left", "is_revoked", "is_ending"),
    [(0.5, 0.9, False, False), (2.5, 0.9, False, True), (0.5, 0.1, False, True), (0.5, 0.9, True, True)],
    ids=["just opened", "two seconds ago", "the login is over", "the login is refused"],
)
def test_a_connection_that_was_just_opened_is_handed_out(
    age: float, left: float, is_revoked: bool, is_ending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its login makes room for the next one by now, as long as that is good."""
    now, connection = 100.0, Connection()
    secret = Secret({"username": "u", "password": "p"}, lasts=timedelta(seconds=4), ends_sessions=True)
    credential = Credential("u", "p", secret, now - 4.0 + left, lambda: now)
    credential.is_superseded, credential.is_revoked = True, is_revoked
    monkeypatch.setattr(logins.time, "monotonic", lambda: now - age)
    logins._remember(connection, credential)
    monkeypatch.setattr(logins.time, "monotonic", lambda: now)
    assert logins.is_ending(connection) is is_ending
