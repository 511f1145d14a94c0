"""What the words of a text tell about how it must be sent: session commands, ends of transactions, concurrent work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from erm_alembic.postgres.text.lexer import READS, SAVEPOINTS, Token, split_statements, statement_kind
from erm_alembic.postgres.text.side_effects import acts_outside_transaction

__all__ = ["DONE_ALREADY", "REPEATABLE", "WHOLE", "Nature", "identifiers", "nature"]

# Of no lasting effect on the database: what they do is the session's, and a new session needs it done again.
OF_THE_SESSION = frozenset(
    [
        *("SET", "RESET", "SHOW", "DISCARD", "LISTEN", "UNLISTEN", "PREPARE", "DEALLOCATE", "LOAD", "LOCK"),
        *("DECLARE", "FETCH", "MOVE", "CLOSE", "BEGIN", "START", "COMMIT", "END"),
        *("SAVEPOINT", "RELEASE", "ROLLBACK", "ROLLBACK TO", "ABORT", "PREPARE TRANSACTION"),
    ]
)
COMMITS = frozenset({"COMMIT", "END", "PREPARE TRANSACTION"})
ROLLS_BACK = frozenset({"ROLLBACK", "ABORT"})
TRANSACTIONS = frozenset({"BEGIN", "START", "ROLLBACK PREPARED", "COMMIT PREPARED"}) | COMMITS | ROLLS_BACK
TWO_PHASE = ("PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED")
OWN_KINDS = ("DATABASE", "TABLESPACE", "SUBSCRIPTION")
WHOLE = ("SCHEMA", "DATABASE", "SYSTEM")
CHANGES_ROWS = ("INSERT", "UPDATE", "DELETE", "MERGE")
# What may stand before a parenthesis in a SELECT that locks: none of these writes.
HARMLESS_CALLS = frozenset(
    [
        *("select", "from", "where", "and", "or", "not", "in", "exists", "any", "all", "some", "values", "as", "on"),
        *("using", "by", "limit", "offset", "when", "then", "else", "case", "between", "lateral", "with", "union"),
        *(
            "materialized",
            "row",
            "array",
            "distinct",
            "filter",
            "over",
            "numeric",
            "varchar",
            "char",
            "update",
            "share",
        ),
        *("count", "min", "max", "sum", "avg", "array_agg", "string_agg", "generate_series", "unnest"),
        *("coalesce", "nullif", "greatest", "least", "cast", "lower", "upper", "length", "abs", "md5", "now", "random"),
        *("hashtext", "hashtextextended", "current_setting", "current_database", "current_schema", "set_config"),
    ]
)
BODY_ENDS = re.compile(r"\b(commit|rollback)\b", re.IGNORECASE)
# What the server says of a statement that has been done already, by what it does.
DONE_ALREADY: dict[str, tuple[str, ...]] = {
    "DROP INDEX": ("42704",),
    "CREATE DATABASE": ("42P04",),
    "DROP DATABASE": ("3D000",),
    "CREATE TABLESPACE": ("42710",),
    "DROP TABLESPACE": ("42704",),
    "CREATE SUBSCRIPTION": ("42710",),
    "DROP SUBSCRIPTION": ("42704",),
    "DETACH": ("42P01",),
}
# What is done in full, or not at all, or does no harm when it is done twice.
REPEATABLE = frozenset(
    [
        *("VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "CHECKPOINT", "CREATE INDEX"),
        *("ALTER SYSTEM", "ALTER DATABASE", "ALTER SUBSCRIPTION"),
        *DONE_ALREADY,
    ]
)
# One statement that is none of the above, told without looking at all of its words.
PLAIN_WORK = re.compile(
    r"\s*(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE|COMMENT|GRANT|REVOKE|TRUNCATE)\b[^;]*;?\s*\Z", re.I
)


@dataclass(frozen=True)
class Nature:
    """What a text's words tell.

    Args:
        kinds: the first words of its statements, in order.
        outside: what it does that cannot be done in a transaction, as far as its words tell: `CREATE INDEX`, `VACUUM`;
            None when nothing hints at it.
        again: whether what it does is the session's or the transaction's only, so that it is always sent again.
        writes: whether its words say that it does something, also where the server gives it no transaction id of this
            database: rows of a foreign table, a statement sent through dblink.
        lasts: whether a rollback may not take back what it does: a function that acts elsewhere, or an unknown one.
    """

    kinds: tuple[str, ...]
    outside: str | None = None
    again: bool = False
    writes: bool = True
    lasts: bool = False

    @property
    def commits(self) -> bool:
        """Whether it ends a transaction well, and does nothing else."""
        return self.again and not COMMITS.isdisjoint(self.kinds)

    @property
    def rolls_back(self) -> bool:
        """Whether it undoes a transaction, and does nothing else."""
        return self.again and not ROLLS_BACK.isdisjoint(self.kinds)

    @property
    def handles_savepoints(self) -> bool:
        """Whether it sets, releases or goes back to a savepoint, and does nothing else."""
        return self.again and not SAVEPOINTS.isdisjoint(self.kinds)

    @property
    def mixes(self) -> bool:
        """Whether it ends or begins a transaction in the middle of other work."""
        return not self.again and len(self.kinds) > 1 and not TRANSACTIONS.isdisjoint(self.kinds)

    @property
    def reads(self) -> bool:
        """Whether it only reads, as far as its first words tell."""
        return bool(self.kinds) and not self.writes and READS.issuperset(self.kinds)


@lru_cache(maxsize=512)
def nature(sql: str) -> Nature:
    """What the words of a text tell.

    Example:
        >>> nature("create unique index concurrently i on t (a)").outside
        'CREATE INDEX'
        >>> nature("SET ROLE app; SHOW role").again, nature("commit;").commits
        (True, True)
    """
    simple = PLAIN_WORK.match(sql)
    if simple is not None and not re.search(r"concurrently|database|tablespace|subscription|system|dblink", sql, re.I):
        return Nature((simple.group(1).upper(),))
    statements = split_statements(sql)
    kinds = tuple(_kind(statement) for statement in statements)
    if not kinds:
        return Nature((), again=True, writes=False)
    outside = _outside(statements[0], kinds[0]) if len(kinds) == 1 else None
    acts = acts_outside_transaction(sql)
    copies_out = kinds == ("COPY",) and _copies_out(statements[0])
    again = not acts and all(
        kind in OF_THE_SESSION or (kind in READS and _is_of_the_session(statement))
        for kind, statement in zip(kinds, statements, strict=True)
    )
    again = again or copies_out
    writes = not again and (acts or any(map(_writes, kinds, statements)))
    lasts = acts or any(kind in READS and _calls(statement) for kind, statement in zip(kinds, statements, strict=True))
    return Nature(kinds, outside, again, writes, lasts)


def _kind(statement: list[Token]) -> str:
    """Its first keyword, with the second one where that makes it another command."""
    words = " ".join(token.text.upper() for token in statement[:2])
    return words if words in TWO_PHASE else statement_kind(statement)


def _writes(kind: str, statement: list[Token]) -> bool:
    """Whether a statement is more than a read: a WITH, or an EXPLAIN, may hold one that changes rows."""
    if kind in OF_THE_SESSION:
        return False
    return kind not in READS or (kind in ("WITH", "EXPLAIN") and _changes_rows(statement))


def _changes_rows(statement: list[Token]) -> bool:
    """Whether INSERT, UPDATE, DELETE or MERGE stands there, and is neither the lock FOR UPDATE nor a column."""
    return any(
        token.says(*CHANGES_ROWS) and before.text != "." and not before.says("FOR", "KEY")
        for before, token in zip([Token("other", ""), *statement], statement, strict=False)
    )


def _is_of_the_session(statement: list[Token]) -> bool:
    """Whether a SELECT locks rows, takes an advisory lock or sets the session, and calls nothing that may write."""
    if _changes_rows(statement) or _calls(statement):
        return False
    for token, following in zip(statement, [*statement[1:], None], strict=True):
        if token.says("FOR") and following is not None and following.says("UPDATE", "NO", "SHARE", "KEY"):
            return True
        if token.kind in ("word", "quoted") and (token.name == "set_config" or "advisory_" in token.name):
            return True
    return False


def _calls(statement: list[Token]) -> bool:
    """Whether it may call a function of which its name does not tell that it only reads."""
    return any(
        following.text == "("
        and token.kind in ("word", "quoted")
        and token.name not in HARMLESS_CALLS
        and not token.name.startswith(("pg_advisory_", "pg_try_advisory_"))
        for token, following in pairwise(statement)
    )


def _copies_out(statement: list[Token]) -> bool:
    """Whether a COPY hands rows to the revision: TO stands outside of all parentheses."""
    depth = 0
    for token in statement:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.says("TO"):
            return True
    return False


def _outside(statement: list[Token], kind: str) -> str | None:
    words = [token.text.upper() for token in statement if token.kind == "word"]
    concurrently = "CONCURRENTLY" in words
    if kind in ("CREATE", "DROP") and "INDEX" in words[:3] and concurrently:
        return f"{kind} INDEX"
    if kind in ("CREATE", "DROP") and words[1:2] and words[1] in OWN_KINDS:
        return f"{kind} {words[1]}"
    if kind == "REINDEX" and (concurrently or not set(WHOLE).isdisjoint(words[:6])):
        return "REINDEX"
    if kind == "ALTER" and "DETACH" in words and concurrently:
        return "DETACH"
    if kind == "ALTER" and words[1:2] == ["SYSTEM"]:
        return "ALTER SYSTEM"
    if kind == "VACUUM":
        return "VACUUM"
    if kind in ("DO", "CALL") and any(token.kind == "string" and BODY_ENDS.search(token.text) for token in statement):
        return kind
    return None


def identifiers(sql: str) -> list[str]:
    """Every name in a text, folded as the server folds it; keywords are among them.

    Example:
        >>> identifiers('REINDEX TABLE s."T"')
        ['reindex', 'table', 's', 'T']
    """
    return [
        token.name for statement in split_statements(sql) for token in statement if token.kind in ("word", "quoted")
    ]
