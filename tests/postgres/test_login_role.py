"""Acting as the login role in the middle of another role's work."""

from __future__ import annotations

import contextlib
import uuid

from erm_alembic.postgres.login_role import as_login_role
from tests.support.databases import Database


def test_the_role_of_before_goes_on_afterwards(one_database: Database) -> None:
    """Within the block it is the one that logged in, afterwards again whatever the transaction, or session, acts as."""
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    one_database.execute(f"CREATE ROLE {owner}")
    try:
        with contextlib.closing(one_database.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = False
            for local in ("LOCAL", "SESSION"):
                cursor.execute(f"SET {local} ROLE {owner}")
                seen = []
                with as_login_role(cursor):
                    cursor.execute("SELECT current_user = session_user")
                    seen += cursor.fetchall()
                cursor.execute("SELECT current_user::text")
                assert [*seen, *cursor.fetchall()] == [(True,), (owner,)]
                connection.commit()
                cursor.execute("SELECT current_user::text = %s", [owner])
                assert cursor.fetchall() == [(local == "SESSION",)]
                connection.rollback()
    finally:
        one_database.execute(f"DROP ROLE {owner}")
