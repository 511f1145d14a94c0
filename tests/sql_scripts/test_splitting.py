"""A script is split where the server would split it, and says where it cannot be sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.revisions.sql.sql_scripts import Script, ScriptError, parse, read

PATH = Path("001_a.sql")


def _parse(text: str, half: str = "up") -> Script:
    return parse(text, PATH, half)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ';', 'it''s; one'",
        "SELECT E'a\\'; b', E'c'\n  'd\\';'",
        "SELECT U&'d;', $$;$$, $tag$ ; $$ ; $tag$",
        'SELECT 1 AS "a;""b"',
        "SELECT 1 /* ; /* nested ; */ ; */ + 2 -- ; one\n + 3",
        "CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (1); INSERT INTO c VALUES (2))",
        "CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC\n  SELECT 1;\n  SELECT CASE WHEN a THEN 1 END;\nEND",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO a VALUES (CASE 1 WHEN 1 THEN 2 END); END",
        "DO $body$ BEGIN PERFORM 1; END $body$",
        "SELECT '%', '%s', '%(name)s', 5 % 3",
        "SELECT 'ähnlich; 東京'",
    ],
)
def test_a_semicolon_ends_a_statement_only_where_the_server_says_so(statement: str) -> None:
    """Strings, quoted names, dollar quotes, comments, parentheses and SQL function bodies keep theirs."""
    script = _parse(f"SELECT 0;\n{statement};\nSELECT 2")
    assert [each.text for each in script.statements] == ["SELECT 0", statement, "SELECT 2"]
    assert [each.line for each in script.statements] == [1, 2, 3 + statement.count("\n")]


PIECES = st.sampled_from(
    ["'a;b'", "E'\\';'", "$$;$$", "$x$;$$;$x$", '"q;"', "/* ; */", "-- ;\n", "word", "1.5", "(", ")", ",", "%", "\n"]
)


@given(st.lists(st.lists(PIECES, max_size=5), max_size=6))
def test_whatever_stands_in_a_statement_it_is_sent_as_it_stands(pieces: list[list[str]]) -> None:
    """Joined with semicolons and split again, statements are the same text, and their places point at it."""
    parts = [" ".join(["SELECT", *(each for each in piece if each not in "()")]) for piece in pieces]
    text = ";\n".join(parts)
    statements = _parse(text).statements
    assert len(statements) == len(parts)
    lines = text.split("\n")
    for statement, part in zip(statements, parts, strict=True):
        assert part.startswith(statement.text)
        first = statement.text.split("\n")[0]
        assert lines[statement.line - 1][statement.column - 1 :].startswith(first)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("SELECT 1;\n  SELECT 'a", "2:10", "this string never ends"),
        ('SELECT "a', "1:8", "this quoted name never ends"),
        ("/* a /* b */", "1:1", "this comment never ends"),
        ("\nDO $x$ BEGIN $$", "2:4", "this dollar quote never ends"),
        ("SELECT 1;\nCOPY a (b) FROM STDIN;\n1\n\\.\n", "2:1", "COPY ... FROM STDIN"),
        ("SELECT 1;\n\\connect other\n", "2:1", "a command of psql"),
        ("SELECT 1;\n-- erm: no-transaction\nSELECT 2", "2:1", "must stand at the top"),
        ("-- erm: no-transactions\nSELECT 2", "1:1", "is unknown"),
        ("-- erm: irreversible\n", "1:1", "say why"),
        ("SELECT 1;\n-- migrate:up\nSELECT 2;", "1:1", "a statement stands before"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_its_place(text: str, place: str, said: str) -> None:
    """File, line, column, and what to do."""
    with pytest.raises(ScriptError) as raised:
        _parse(text)
    assert str(raised.value).startswith(f"001_a.sql:{place}: ")
    assert said in str(raised.value)


def test_bytes_that_are_no_utf8_are_refused_at_their_place(tmp_path: Path) -> None:
    """The byte, and how to convert the file; a mark before UTF-8 and CRLF are no matter."""
    path = tmp_path / "001_a.sql"
    path.write_bytes(b"SELECT 1;\r\nSELECT 'caf\xe9';")
    with pytest.raises(ScriptError, match=r"001_a\.sql:2:12: the byte 0xe9 is no UTF-8"):
        read(path)
    path.write_bytes(b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n")
    assert [(each.text, each.line, each.column) for each in _parse(read(path)).statements] == [
        ("SELECT 1", 1, 1),
        ("SELECT 2", 2, 1),
    ]


def test_the_halves_of_a_file_keep_their_lines() -> None:
    """dbmate's up and down stand in one file; each has its own option."""
    text = "-- about\n-- migrate:up transaction:false\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n"
    up, down = _parse(text, "up"), _parse(text, "down")
    assert [(each.text, each.line) for each in up.statements] == [("SELECT 1", 3)]
    assert [(each.text, each.line) for each in down.statements] == [("SELECT 2", 6)]
    assert (up.transaction, down.transaction) == (False, True)
    assert not _parse("-- migrate:up\nSELECT 1;", "down").exists
    assert len(_parse("SELECT '\n-- migrate:down\n'; SELECT 2").statements) == 2


@pytest.mark.parametrize(
    ("text", "transaction"),
    [
        ("-- erm: no-transaction\nSELECT 1; SELECT 2", False),
        ("-- what for\n-- erm: no-transaction\nSELECT 1", False),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)", False),
        ("REINDEX (VERBOSE) TABLE CONCURRENTLY a", False),
        ("VACUUM a", False),
        ("CREATE INDEX i ON concurrently (b)", True),
        ("SELECT 1; CREATE INDEX CONCURRENTLY i ON a (b)", True),
        ("SELECT '-- erm: no-transaction'", True),
    ],
)
def test_a_script_says_whether_it_runs_in_a_transaction(text: str, transaction: bool) -> None:
    """By its mark; a single statement that never can needs none."""
    assert _parse(text).transaction is transaction
