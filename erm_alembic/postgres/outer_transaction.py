"""What became of a transaction, asked after its end: whether somebody has committed it on the way.

The statements are SQLAlchemy's, since they are sent by engines of every driver, within event loops too.
"""

from __future__ import annotations

from sqlalchemy import Engine, TextClause, text

__all__ = ["COMMITTED", "END_OF", "end_of", "roll_back_prepared", "transaction_number"]

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


def roll_back_prepared(engine: Engine) -> bool:
    """Roll back every prepared transaction of a database, which nobody else uses; say whether there were any.

    Args:
        engine: an engine of the database, of psycopg2's.
    """
    asked = text("SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()")
    with engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        found = own.scalars(asked).all()
        for gid in found:
            own.exec_driver_sql("ROLLBACK PREPARED %s", (gid,))
    return bool(found)
