"""A revision borrows erm's connection: closing it would end the transaction and free the deploy lock with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from alembic import op

__all__ = ["ConnectionNeeded", "kept_open"]


class ConnectionNeeded(Exception):
    """A revision closes the connection that it was lent."""


@contextlib.contextmanager
def kept_open() -> Iterator[None]:
    """Refuse `close()` and `invalidate()` of what `op.get_bind()` answers, for as long as the block lasts.

    Raises:
        ConnectionNeeded: in whoever calls one of them.
    """
    connection = op.get_bind()
    invalidate = connection.invalidate

    def refuse_close() -> None:
        raise ConnectionNeeded(
            "closes the connection that it is run on, and with it the transaction and the deploy lock: take out"
            " close() (or `with op.get_bind()`); a connection of its own is `op.get_bind().engine.connect()`"
        )

    def refuse_invalidate(exception: BaseException | None = None) -> None:
        if exception is not None:  # SQLAlchemy's own: the server has ended the session
            invalidate(exception)
            return
        raise ConnectionNeeded(
            "invalidates the connection that it is run on, and with it the transaction and the deploy lock: take out"
            " invalidate()"
        )

    own: Any = vars(connection)
    own["close"], own["invalidate"] = refuse_close, refuse_invalidate
    try:
        yield
    finally:
        del own["close"], own["invalidate"]
