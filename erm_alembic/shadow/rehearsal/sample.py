"""A sample of the target's rows, on which a data migration is rehearsed; it is dropped with the scratch database."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.errors

from erm_alembic.errors import ErmError, UsageError
from erm_alembic.postgres.sampling import copy_rows, empty_tables, remove_dangling, sampled_table
from erm_alembic.shadow.opened import ShadowDatabase
from erm_alembic.target import Target

__all__ = ["Sample", "copy_samples", "parse_sample"]


@dataclass(frozen=True)
class Sample:
    """Rows of one table.

    Args:
        table: the table, as SQL names it.
        rows: how many at most.
    """

    table: str
    rows: int


def parse_sample(text: str) -> Sample:
    """Read `TABLE:ROWS`.

    Args:
        text: as it was typed.

    Raises:
        UsageError: it is something else.

    Example:
        >>> parse_sample('public."odd:table":500')
        Sample(table='public."odd:table"', rows=500)
    """
    table, _, rows = text.rpartition(":")
    if not table.strip() or not rows.isascii() or not rows.isdigit() or int(rows) == 0:
        raise UsageError(
            f"--copy-data {text!r} does not say how many rows of which table.",
            effect="Nothing was planned.",
            cure="Write it as in: --copy-data orders:10000",
        )
    return Sample(table.strip(), int(rows))


def copy_samples(target: Target, scratch: ShadowDatabase, samples: Sequence[Sample]) -> None:
    """Copy rows of the target into a scratch database that has its schema.

    They take the place of what revisions have written to those tables.

    Args:
        target: the database, which is only read.
        scratch: the scratch database.
        samples: which rows.

    Raises:
        ErmError: the scratch database does not take them; what was asked for is not passed over in silence.
        UsageError: there is no such table.
    """
    with (
        contextlib.closing(target.connect_read_only("erm plan")) as source,
        contextlib.closing(scratch.connect()) as connection,
    ):
        rows = {_whole_name(target, source, sample): sample.rows for sample in samples}
        copied = ", ".join(rows)
        try:
            empty_tables(connection, tuple(rows))
            for table, number in rows.items():
                copied = table
                copy_rows(source, connection, table, number)
            remove_dangling(connection, tuple(rows))
        except psycopg2.Error as error:
            raise _not_copied(copied, error) from error


def _whole_name(target: Target, source: Any, sample: Sample) -> str:
    with source.cursor() as cursor:
        table = sampled_table(cursor, sample.table)
    if table is None:
        raise UsageError(
            f"--copy-data: {target.redacted} has no table {sample.table}.",
            effect="Nothing was rehearsed.",
            cure="Name it as SQL does, with its schema: --copy-data app.orders:10000",
        )
    return table


def _not_copied(table: str, error: psycopg2.Error) -> ErmError:
    """What is told of rows that were not copied: the server's own message may have their values."""
    constraint = f" of {error.diag.constraint_name}" if error.diag.constraint_name else ""
    cure = "Make the tables of the two databases equal (erm drift), or leave --copy-data out."
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        cure = "Rows go past triggers and foreign keys: that takes a superuser on the shadow's server."
    return ErmError(
        f"--copy-data: rows of {table} could not be copied into the shadow: {type(error).__name__}{constraint}.",
        effect="Nothing was rehearsed.",
        cure=cure,
    )
