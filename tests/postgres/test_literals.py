"""Texts as literals of SQL."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.literals import sql_literal, string_value
from tests.support.databases import Database

TEXTS = ("", "it's", "a\\b", "\\'; --", "100%s $$ %(x)s", "déjà 🐘\nvu")


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_the_server_reads_a_literal_as_it_was_meant(conforming: str, one_database: Database) -> None:
    """Quotes and backslashes are kept, whatever `standard_conforming_strings` says of those in plain literals."""
    asked = ", ".join(map(sql_literal, TEXTS))
    settings = f"-c standard_conforming_strings={conforming}"
    connection = one_database.connect(options=settings)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {asked}")
        assert cursor.fetchone() == TEXTS
    assert tuple(string_value(sql_literal(text).strip()) for text in TEXTS) == TEXTS
