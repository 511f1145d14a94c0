"""The runner of SQL scripts stands alone, so that there are two tokenizers: they say the same of the same text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.postgres.text.lexer import split_statements, tokens
from erm_alembic.postgres.text.nature import nature
from erm_alembic.revisions.sql.sql_scripts import ScriptError, parse, tokenize

PATH = Path("001_a.sql")
PIECES = st.sampled_from(
    [
        *("'a;b'", "'it''s'", "E'\\';'", "e'a\\\\'", "E'a'\n  'b\\';'", "'a'\n'b'", "U&'d;'", "b'01'", "N'x'"),
        *("$$;$$", "$x$;$$;$x$", "$ä$;$ä$", "$1", "a$b$", '"q;"', '"q""r"', 'U&"q"', "/* ; */", "/* a /* ; */ ; */"),
        *("-- ;\n", "-- it's\n", "word", "Ä", "_x1", "1.5", "1e5", "(", ")", ",", "%", "::", "\n", "\t", ";", "{", "?"),
        *("CREATE", "BEGIN", "ATOMIC", "CASE", "END", "CONCURRENTLY", "INDEX", "VACUUM"),
    ]
)
CONTINUED = "SELECT E'c'\n  'd\\'; DROP TABLE a'; SELECT 2"
TEXTS = st.lists(PIECES, max_size=30).flatmap(lambda pieces: st.sampled_from([" ".join(pieces), "".join(pieces)]))


def test_a_continued_string_keeps_its_escapes() -> None:
    """A string goes on after a line break as what it began as; the semicolon in it ends nothing."""
    assert [len(statement) for statement in split_statements(CONTINUED)] == [2, 2]
    assert len(parse(CONTINUED, PATH).statements) == 2


@given(TEXTS)
def test_they_find_the_same_words_and_the_same_statements(text: str) -> None:
    """Wherever the script can be sent at all; what never ends is refused by the one and taken as it is by the other."""
    try:
        theirs = [token for token in tokenize(text, PATH) if token.kind != "comment"]
    except ScriptError:
        return
    assert [tuple(token) for token in tokens(text)] == [tuple(token) for token in theirs]
    try:
        script = parse(text, PATH)
    except ScriptError:
        return
    ours = [[token.text for token in statement] for statement in split_statements(text)]
    assert [[token.text for token in statement.tokens] for statement in script.statements] == ours


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY i ON a (b)",
        "create unique index concurrently if not exists i on a (b)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY a",
        "REINDEX (VERBOSE) INDEX CONCURRENTLY i",
        "REINDEX DATABASE d",
        "REINDEX SYSTEM d",
        "REINDEX SCHEMA s",
        "VACUUM a",
        "VACUUM (FULL, ANALYZE) a",
        "CREATE DATABASE d",
        "DROP TABLESPACE t",
        "ALTER SYSTEM SET work_mem = '4MB'",
        "CREATE INDEX concurrently_i ON a (b)",
        "CREATE TABLE vacuum_log (id int)",
        "REINDEX TABLE a",
        "ALTER TABLE system_a ADD b int",
        "DROP INDEX i",
    ],
)
def test_they_agree_on_what_cannot_run_in_a_transaction(statement: str) -> None:
    """What the runner sends by itself, erm knows for such a statement, and the other way round."""
    assert parse(statement, PATH).transaction is (nature(statement).outside is None)
