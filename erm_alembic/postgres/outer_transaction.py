"""What became of a transaction, asked after its end: whether somebody has committed it on the way.

The statements are SQLAlchemy's, since they are sent by engines of every driver, within event loops too.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

__all__ = ["COMMITTED", "END_OF", "end_of", "transaction_number"]

COMMITTED = "committed"
# `end_of`, for a driver.
END_OF = "SELECT pg_catalog.txid_status(%s)"


def transaction_number() -> TextClause:
    """Ask for the number of the transaction, which it gets with this."""
    return text("SELECT pg_catalog.txid_current()")


def end_of(number: int) -> TextClause:
    """Ask how a transaction has ended: `COMMITTED`, `aborted`, or null where that is long forgotten.

    Args:
        number: what `transaction_number` gave.
    """
    return text("SELECT pg_catalog.txid_status(:number)").bindparams(number=number)
