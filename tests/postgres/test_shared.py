"""What a statement does to the server, beyond its database, is told from its words."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.shared import shared_statements, statement_texts

CASES = (
    ("CREATE USER MAPPING FOR a SERVER b", None),
    ("CREATE ROLE a", ("role", ("a",))),
    ('CREATE USER "Od.d a" LOGIN', ("role", ("Od.d a",))),
    ("ALTER GROUP a RENAME TO B", ("role", ("b",))),
    ("DROP ROLE IF EXISTS a", ("role", ())),
    ("GRANT a TO b", ("server", ())),
    ("GRANT SELECT ON t TO b", ("names-role", ())),
    ("REVOKE CONNECT ON DATABASE d FROM b", ("server", ())),
    ("ALTER TABLE t OWNER TO b", ("names-role", ())),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE x GRANT SELECT ON TABLES TO y", ("names-role", ())),
    ("CREATE POLICY p ON t TO x USING (true)", ("names-role", ())),
    ("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA s VERSION '1.1'", ("extension", ("uuid-ossp",))),
    ("CREATE EXTENSION dblink", ("extension", ("dblink",))),
    ("ALTER SYSTEM SET work_mem = '5MB'", ("server", ())),
    ("CREATE TABLESPACE fast LOCATION '/mnt'", ("tablespace", ("fast",))),
    ("COMMENT ON DATABASE d IS 'x'", ("server", ())),
    ("CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", ("server", ())),
    ("COPY t FROM PROGRAM 'curl x'", ("elsewhere", ())),
    ("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", ("elsewhere", ())),
    ("SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)", ("elsewhere", ())),
    ("INSERT INTO notes VALUES ('CREATE ROLE a')", None),
    ("CREATE TABLE t (a int)", None),
)


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql for sql, _ in CASES])
def test_each_form(sql: str, expected: tuple[str, tuple[str, ...]] | None) -> None:
    """One statement is told by what it acts on, and what it makes there."""
    found = shared_statements(sql)
    assert [(each.act, each.names) for each in found] == ([] if expected is None else [expected])


def test_the_version_and_the_schema_of_an_extension() -> None:
    """Both are read as they are meant, quoted or not."""
    (found,) = shared_statements("CREATE EXTENSION postgis SCHEMA \"Geo\" VERSION '3.4' CASCADE")
    assert (found.version, found.schema) == ("3.4", "Geo")


def test_several_in_one_text() -> None:
    """Each is told, with its own text."""
    found = shared_statements("CREATE TABLE t (a text DEFAULT ';'); CREATE ROLE a;\n-- done\nGRANT ALL ON t TO a;")
    assert [each.act for each in found] == ["local", "role", "names-role"]
    assert [each.text for each in found] == [
        "CREATE TABLE t (a text DEFAULT ';')",
        "CREATE ROLE a",
        "GRANT ALL ON t TO a",
    ]


def test_the_body_of_a_function_is_one_statement() -> None:
    """A dump is taken apart at the right semicolons."""
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $_$ SELECT 1; $_$"
    assert list(statement_texts(f"SET a = b;\n{function};\nSELECT 1")) == ["SET a = b", function, "SELECT 1"]
