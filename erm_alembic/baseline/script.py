"""A dump of a schema as the script of a revision: it runs in the revision's transaction, and leaves nothing behind.

What pg_dump sets for a session of its own is set for the transaction and given back at its end; names keep their
schemas, so that it does the same whatever the search_path is. The values of options that may be secrets are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from erm_alembic.baseline.foreign_options import without_option_values
from erm_alembic.drift.fix.tenants import without_schema
from erm_alembic.postgres.text.lexer import Token, split_statements
from erm_alembic.postgres.text.literals import sql_literal
from erm_alembic.postgres.text.passwords import without_passwords

__all__ = ["BaselineScript", "as_script"]

# What only concerns the session of whoever loads a dump.
OF_THE_LOADER = frozenset(
    {
        *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"),
        *("client_encoding", "client_min_messages", "row_security", "search_path"),
    }
)
RIGHTS = ("GRANT", "REVOKE")
KEPT = "erm_baseline"


@dataclass(frozen=True)
class BaselineScript:
    """The script, and what is not as it is in the database.

    Args:
        text: the script.
        options: what has options whose values were left out, with the names of these.
        suspicious: the beginnings of the statements in which something looks like a password.
    """

    text: str
    options: tuple[str, ...]
    suspicious: tuple[str, ...]


def as_script(
    dumps: Sequence[str],
    populated: Collection[tuple[str, str]],
    remarks: Sequence[str],
    *,
    omit: Callable[[list[Token]], bool] = lambda _: False,
    tenant: str | None = None,
    own_role: str | None = None,
) -> BaselineScript:
    """The script that makes what dumps say.

    Args:
        dumps: the parts of a dump, in the order in which they are to be run.
        populated: the materialised views to be filled: schema and name, unquoted.
        remarks: the lines of the comment at its head.
        omit: whether a statement is left out.
        tenant: the schema, unquoted, that env.py chooses for each tenant anew: then it is named nowhere.
        own_role: the role, quoted where it must be, that stands for whoever applies the script: where rights name it,
            `CURRENT_USER` does.

    Example:
        >>> script = as_script(["SET lock_timeout = 0;\\nCREATE SCHEMA app;\\n"], (), ["The schema of app."])
        >>> print(script.text)
        -- The schema of app.
        <BLANKLINE>
        SELECT pg_catalog.set_config('erm_baseline.search_path', pg_catalog.current_setting('search_path'), true);
        SELECT pg_catalog.set_config('search_path', '', true);
        <BLANKLINE>
        CREATE SCHEMA IF NOT EXISTS app;
        <BLANKLINE>
        SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('erm_baseline.search_path'), true);
        <BLANKLINE>
    """
    building = _Building(populated, own_role)
    for dump in dumps:
        for statement in split_statements(dump):
            last = statement[-1]
            if not omit(statement):
                building.add(statement, dump[statement[0].start : last.start + len(last.text)])
    head = "\n".join(f"-- {' '.join(line.split())}" for line in remarks)
    path = [] if tenant is not None else ["search_path"]
    settings = [*path, *building.settings]
    kept = "\n".join(_set(f"{KEPT}.{name}", _current(name)) for name in settings)
    back = "\n".join(_set(name, _current(f"{KEPT}.{name}")) for name in settings)
    begin = "\n".join([*([kept] if kept else []), *(_set(name, sql_literal("")) for name in path)])
    made = (*building.made, *building.filled)
    body = [f"{text};" for text in (made if tenant is None else without_schema(made, tenant))]
    text = "\n\n".join(part for part in (head, begin, *body, back) if part) + "\n"
    return BaselineScript(text, tuple(building.options), tuple(building.suspicious))


def _set(name: str, value: str) -> str:
    return f"SELECT pg_catalog.set_config({sql_literal(name)}, {value}, true);"


def _current(name: str) -> str:
    return f"pg_catalog.current_setting({sql_literal(name)})"


class _Building:
    """What is put together of one statement after the other."""

    def __init__(self, populated: Collection[tuple[str, str]], own_role: str | None) -> None:
        self._own_role = own_role
        self.made: list[str] = []
        self.filled: list[str] = []
        self.settings: dict[str, str] = {}
        self.options: list[str] = []
        self.suspicious: list[str] = []
        self._populated = populated

    def add(self, statement: list[Token], text: str) -> None:
        """Take one more statement of the dump."""
        words = [token.text.upper() if token.kind == "word" else token.text for token in statement[:6]]
        if words[0] == "SET" and len(statement) > 2:
            self._setting(statement, text)
            return
        if words[:4] == ["SELECT", "PG_CATALOG", ".", "SET_CONFIG"] or words[:2] == ["REFRESH", "MATERIALIZED"]:
            return
        if words[:2] == ["CREATE", "SCHEMA"] and words[2] != "IF":
            text = f"CREATE SCHEMA IF NOT EXISTS {text[statement[2].start - statement[0].start :]}"
        if words[:3] == ["CREATE", "MATERIALIZED", "VIEW"]:
            self._view(statement)
        if words[0] in RIGHTS or words[:3] == ["ALTER", "DEFAULT", "PRIVILEGES"]:
            text = _by_whoever_applies(statement, text, self._own_role)
        text, names = without_option_values(statement, text)
        if names:
            self.options.append(f"{_beginning(text)}: {', '.join(names)}")
        elif without_passwords(text) != text:
            self.suspicious.append(_beginning(text))
        self.made.append(text)

    def _setting(self, statement: list[Token], text: str) -> None:
        name = statement[1].name
        if name in OF_THE_LOADER:
            return
        if self.settings.get(name) != text:
            self.made.append(f"SET LOCAL {text[statement[1].start - statement[0].start :]}")
        self.settings[name] = text

    def _view(self, statement: list[Token]) -> None:
        """pg_dump makes a materialised view without rows, and qualifies its name."""
        schema, name = statement[3], statement[5]
        if (schema.name, name.name) in self._populated:
            self.filled.append(f"REFRESH MATERIALIZED VIEW {schema.text}.{name.text}")


def _by_whoever_applies(statement: list[Token], text: str, role: str | None) -> str:
    """A statement on rights in which a role is not named that stands for whoever applies."""
    shown, position, start = "", 0, statement[0].start
    for before, token in pairwise(statement):
        if token.text == role and token.kind in ("word", "quoted") and before.says("TO", "FROM", "ROLE"):
            shown += text[position : token.start - start] + "CURRENT_USER"
            position = token.start - start + len(token.text)
    return shown + text[position:]


def _beginning(text: str) -> str:
    """The first words of a statement, which say what it makes; nothing of what it is given."""
    tokens = split_statements(text)[0]
    first = next((at for at, token in enumerate(tokens) if token.kind == "string" or token.text == "("), len(tokens))
    words = [token.text for token in tokens[: min(first, 12)] if not token.says("OPTIONS", "TYPE", "VERSION")]
    shown = ""
    for word in words:
        shown += word if word == "." or shown.endswith(".") or not shown else f" {word}"
    return " ".join(shown.split())
