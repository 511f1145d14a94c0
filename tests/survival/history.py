"""A history with everything that a kill can leave half done, on a schema with rows.

Each write adds to what is there, so that one which is done twice, or left out, is seen in the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.deploying import Project


@dataclass(frozen=True)
class Written:
    """One revision of the history: its id, the bodies of its functions, and what it builds on."""

    revision: str
    upgrade: str
    downgrade: str
    down: str | tuple[str, ...] | None


HISTORY = (
    Written(
        "s01",
        """
        op.create_table(
            "account",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("balance", sa.Integer, nullable=False, server_default="0"),
        )
        op.create_table("journal", sa.Column("what", sa.Text, nullable=False), sa.Column("n", sa.Integer))
        op.execute("INSERT INTO account (id, name) SELECT n, 'account ' || n FROM generate_series(1, 400) n")
        """,
        'op.drop_table("journal")\nop.drop_table("account")',
        None,
    ),
    Written(
        "s02",
        """
        op.execute("CREATE TYPE mood AS ENUM ('calm', 'cross')")
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE mood ADD VALUE 'sleepy' BEFORE 'cross'")
            op.execute("ALTER TYPE mood ADD VALUE 'merry'")
        op.add_column("account", sa.Column("mood", sa.Text))
        """,
        'op.drop_column("account", "mood")\nop.execute("DROP TYPE mood")',
        "s01",
    ),
    # Batches by parameters, each committed by itself: a batch that is done twice adds twice.
    Written(
        "s03",
        """
        add = sa.text("UPDATE account SET balance = balance + :low WHERE id BETWEEN :low AND :high")
        with op.get_context().autocommit_block():
            for low in range(1, 401, 100):
                op.get_bind().execute(add, {"low": low, "high": low + 99})
                op.get_bind().execute(sa.text("INSERT INTO journal VALUES ('added', :n)"), {"n": low})
        """,
        'op.execute("UPDATE account SET balance = 0")',
        "s02",
    ),
    # Batches that the data decides on: the loop ends when nothing is left to do.
    Written(
        "s04",
        """
        fill = sa.text(
            "WITH batch AS (SELECT id FROM account WHERE mood IS NULL ORDER BY id LIMIT 150)"
            " UPDATE account SET mood = CASE id % 2 WHEN 0 THEN 'calm' ELSE 'merry' END, balance = balance + 1"
            " WHERE id IN (SELECT id FROM batch)"
        )
        with op.get_context().autocommit_block():
            while op.get_bind().execute(fill).rowcount:
                op.execute("INSERT INTO journal VALUES ('filled', 1)")
        op.alter_column("account", "mood", type_=sa.Enum(name="mood"), postgresql_using="mood::mood")
        """,
        'op.alter_column("account", "mood", type_=sa.Text, postgresql_using="mood::text")',
        "s03",
    ),
    # Before, inside and after an autocommit block.
    Written(
        "s05",
        """
        op.add_column("account", sa.Column("mail", sa.Text))
        op.execute("UPDATE account SET mail = name || '@example.org'")
        with op.get_context().autocommit_block():
            op.create_index("account_mail", "account", ["mail"], unique=True, postgresql_concurrently=True)
            op.create_index("account_mood", "account", ["mood"], postgresql_concurrently=True)
        op.execute("INSERT INTO journal VALUES ('indexed', 2)")
        """,
        """
        with op.get_context().autocommit_block():
            op.drop_index("account_mood", postgresql_concurrently=True)
        op.drop_column("account", "mail")
        """,
        "s04",
    ),
    Written(
        "s06a",
        'op.execute("CREATE VIEW rich AS SELECT id, name, balance FROM account WHERE balance > 200")',
        'op.execute("DROP VIEW rich")',
        "s05",
    ),
    Written(
        "s06b",
        """
        op.create_table("tag", sa.Column("id", sa.Integer, primary_key=True), sa.Column("word", sa.Text))
        op.bulk_insert(
            sa.table("tag", sa.column("id", sa.Integer), sa.column("word", sa.Text)),
            [{"id": n, "word": f"word {n}"} for n in range(1, 31)],
        )
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS tag_word ON tag (word)")
        """,
        'op.drop_table("tag")',
        "s05",
    ),
    Written("s07", "pass", "pass", ("s06a", "s06b")),
    # Ends its transaction by itself, twice and in two ways.
    Written(
        "s08",
        """
        op.execute("INSERT INTO journal VALUES ('before', 1)")
        op.execute("COMMIT")
        op.execute("ALTER TYPE mood ADD VALUE 'sad'")
        op.execute("BEGIN")
        op.execute("INSERT INTO journal VALUES ('behind', 1)")
        op.get_bind().connection.commit()
        op.execute("UPDATE account SET balance = balance * 2 WHERE id <= 50")
        """,
        "op.execute(\"DELETE FROM journal WHERE what IN ('before', 'behind')\")",
        "s07",
    ),
    Written(
        "s09",
        """
        op.execute("ALTER TABLE account ADD CONSTRAINT named CHECK (name <> '') NOT VALID")
        with op.get_context().autocommit_block():
            op.execute("ALTER TABLE account VALIDATE CONSTRAINT named")
            op.drop_index("account_mood", postgresql_concurrently=True)
            op.execute("REINDEX INDEX CONCURRENTLY account_mail")
            op.execute("DO $$ BEGIN INSERT INTO journal VALUES ('anonymous', 1); END $$")
            op.execute("VACUUM journal")
        """,
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY account_mood ON account (mood)")
        op.drop_constraint("named", "account")
        """,
        "s08",
    ),
    Written(
        "s10",
        """
        op.execute(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO journal VALUES ('noted', NEW.id); RETURN NEW; END $$"
        )
        op.execute("CREATE TRIGGER noting AFTER UPDATE ON tag FOR EACH ROW EXECUTE FUNCTION note()")
        op.execute("UPDATE tag SET word = word || '!' WHERE id <= 5")
        with op.get_context().autocommit_block():
            op.execute("UPDATE tag SET word = word || '?' WHERE id > 25")
            op.create_index("tag_of_journal", "journal", ["n"], postgresql_concurrently=True)
        """,
        'op.execute("DROP FUNCTION note() CASCADE")',
        "s09",
    ),
    Written(
        "s11",
        "op.execute(\"INSERT INTO journal VALUES ('the end', 1)\")",
        "op.execute(\"DELETE FROM journal WHERE what = 'the end'\")",
        "s10",
    ),
)


def write_history(project: Project) -> None:
    """Write the revision files of the history into a project."""
    for each in HISTORY:
        project.revision(each.revision, each.upgrade, each.downgrade, down=each.down)


def revisions() -> list[str]:
    """The ids of the history."""
    return [each.revision for each in HISTORY]
