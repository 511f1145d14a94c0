"""A sample of the target's rows, on which a data migration is rehearsed; it is dropped with the scratch database."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2

from erm_alembic.errors import ShadowUnavailable, UsageError
from erm_alembic.postgres.sampling import copy_rows, sampled_table
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

    Args:
        target: the database, which is only read.
        scratch: the scratch database.
        samples: which rows.

    Raises:
        ShadowUnavailable: the scratch database does not take them.
        UsageError: there is no such table.
    """
    with (
        contextlib.closing(target.connect_read_only("erm plan")) as source,
        contextlib.closing(scratch.connect()) as connection,
    ):
        for sample in samples:
            with source.cursor() as cursor:
                table = sampled_table(cursor, sample.table)
            if table is None:
                raise UsageError(
                    f"--copy-data: {target.redacted} has no table {sample.table}.",
                    effect="Nothing was rehearsed.",
                    cure="Name it as SQL does, with its schema: --copy-data app.orders:10000",
                )
            try:
                copy_rows(source, connection, table, sample.rows)
            except psycopg2.Error as error:
                raise ShadowUnavailable(
                    f"Rows of {table} could not be copied into the shadow: {type(error).__name__}.",
                    cure="They go past triggers and foreign keys, which takes a superuser on the shadow's server.",
                ) from error
