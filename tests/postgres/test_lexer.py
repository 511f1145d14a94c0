"""The words of a SQL text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.postgres.text.lexer import is_read_or_setting, split_statements, statement_kinds, tokens


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("SELECT 1", {"SELECT"}),
        ("  -- DROP\n/* a /* nested */ b */ (select 1)", {"SELECT"}),
        ("SELECT 1; DROP TABLE a", {"SELECT", "DROP"}),
        ("SELECT ';DROP TABLE a'", {"SELECT"}),
        ("SELECT $$;DROP$$, $x$ ; $$ ; $x$", {"SELECT"}),
        ("SELECT E'\\'; DROP TABLE a'", {"SELECT"}),
        ("SELECT 'it''s; x'", {"SELECT"}),
        ('SELECT "a;""b"', {"SELECT"}),
        ("ROLLBACK TO SAVEPOINT a", {"ROLLBACK TO"}),
        ("ROLLBACK", {"ROLLBACK"}),
        ("", set()),
        (" ; ; ", set()),
        ("'x'", {""}),
        ("/* never closed", set()),
        ("SELECT $a$ never closed ; DROP", {"SELECT"}),
    ],
)
def test_a_text_is_known_by_the_first_words_of_its_statements(sql: str, kinds: set[str]) -> None:
    """Comments, strings, dollar quotes and parentheses hide nothing and invent nothing."""
    assert statement_kinds(sql) == kinds


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("SET search_path = a", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("SELECT 1; CREATE TABLE a ()", False),
        ("LOCK TABLE a", False),
        ("DO $$ BEGIN END $$", False),
        ("COMMIT", False),
    ],
)
def test_only_what_reads_or_sets_is_let_through(sql: str, reads: bool) -> None:
    """Everything else is held back while planning."""
    assert is_read_or_setting(sql) is reads


@given(st.text())
def test_any_text_has_tokens_that_stand_where_they_say(sql: str) -> None:
    """The lexer never fails and never loses its place."""
    for token in tokens(sql):
        assert sql.startswith(token.text, token.start)


@given(st.lists(st.sampled_from(["'a;b'", '"c;d"', "$$e;f$$", "/* g;h */ 1", "word", "1.5"]), min_size=1))
def test_semicolons_inside_quotes_and_comments_do_not_split(parts: list[str]) -> None:
    """A statement is one, whatever it quotes."""
    assert len(split_statements("SELECT " + " ".join(parts))) == 1


def test_the_body_of_a_sql_function_is_no_statement_of_its_own() -> None:
    """Its END is no end of a transaction, and what it would drop when called is not dropped now."""
    body = "BEGIN ATOMIC DELETE FROM a; SELECT CASE WHEN true THEN 1 END; END"
    assert statement_kinds(f"CREATE FUNCTION f() RETURNS int LANGUAGE sql {body}; SELECT f()") == {"CREATE", "SELECT"}
    assert statement_kinds("CREATE RULE r AS ON DELETE TO a DO (DELETE FROM b; DELETE FROM c)") == {"CREATE"}
