"""Whether a live answer can be trusted although earlier writes were held back: when in doubt, it cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from erm_alembic.postgres.catalog import (
    Touched,
    relation_names,
    reserved_words,
    schema_names,
    spreading_relations,
    touched_relations,
)
from erm_alembic.postgres.text.lexer import Token, split_statements, statement_kinds, tokens

__all__ = ["HeldBack"]

# Nobody can tell from their text what they write.
OPAQUE = frozenset({"DO", "CALL", "EXECUTE", ""})
CHANGES_ROWS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "WITH"})
MAKES_ANYTHING = frozenset({"EXTENSION", "OPERATOR", "ACCESS"})
# SQLAlchemy binds the keys of a JSON answer too; it names such a parameter after the function.
LABELS = "json_build_object_"
NAMED_AFTER = ("TABLE", "EXISTS", "ONLY", "ON", "TYPE", "SEQUENCE", "VIEW", "INDEX")


@dataclass
class HeldBack:
    """The writes that a recording session did not send, and what they make of what is read afterwards."""

    texts: list[str] = field(default_factory=list)
    opaque: bool = False
    _row_texts: list[str] = field(default_factory=list)
    _new_triggers: bool = False
    _prefixes: set[str] = field(default_factory=set)
    _reserved: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.texts)

    def add(self, sql: str, *, opaque: bool = False) -> None:
        """Remember a write that was not sent."""
        self.texts.append(sql)
        kinds = statement_kinds(sql)
        if kinds & CHANGES_ROWS:
            self._row_texts.append(sql)
        for statement in split_statements(sql):
            self._prefixes |= _objects_named(statement)
            words = {token.text.upper() for token in statement if token.kind == "word"}
            self._new_triggers |= statement[0].says("CREATE") and not words.isdisjoint({"TRIGGER", "RULE"})
            self.opaque |= statement[0].says("DROP") and "CASCADE" in words
            self.opaque |= statement[0].says("CREATE") and not words.isdisjoint(MAKES_ANYTHING)
        self.opaque |= opaque or not kinds or bool(kinds & OPAQUE)

    def why_stale(
        self, cursor: Any, oids: Sequence[int], sql: str, parameters: Sequence[Any], *, written_by_hand: bool
    ) -> str | None:
        """Why an answer may be another one once the writes have run; None when it cannot.

        Args:
            cursor: an ungated cursor, to look names up.
            oids: the relations that the read has touched.
            sql: the read.
            parameters: its sets of parameters.
            written_by_hand: whether its text may name objects in literals; a compiled one (the inspector's) binds them.
        """
        touched = touched_relations(cursor, oids)
        self._reserved = self._reserved or reserved_words(cursor)
        stale = sorted(name for name in touched.relations if self.opaque or self._mentioned(name, self.texts))
        if stale:
            return f"reads {', '.join(stale)}, which an earlier pending statement changes"
        if touched.relations and self._spreads(cursor):
            found = ", ".join(sorted(touched.relations))
            return f"reads {found}, which an earlier pending statement may change by a trigger, a view or a cascade"
        names = {*_texts_in(parameters), *(_literals_in(sql) if written_by_hand else ())}
        if any(self._named(name) for name in names) or (names and self.opaque and not touched.relations):
            return "asks the catalog about what an earlier pending statement changes"
        if touched.catalog and self._may_list_changes(cursor, touched, names, parameters):
            return "reads the catalog, which an earlier pending statement changes"
        return None

    def _may_list_changes(self, cursor: Any, touched: Touched, names: set[str], parameters: Sequence[Any]) -> bool:
        """A read of the catalog that asks for certain objects is safe when none of them is being changed."""
        if touched.relations:
            return False
        told = {name for name in names if len(name) > 1 and not name.startswith("pg_")} - schema_names(cursor)
        numbers = _numbers_in(parameters)
        behind = relation_names(cursor, numbers) if numbers else frozenset()
        if self.opaque or any(self._named(name) for name in behind):
            return True
        return not told and not behind

    def _spreads(self, cursor: Any) -> bool:
        if not self._row_texts:
            return False
        return self._new_triggers or any(self._mentioned(name, self._row_texts) for name in spreading_relations(cursor))

    def _named(self, name: str) -> bool:
        """Whether a held-back write names an object, or one after which the server names it (`orders_pkey`)."""
        parts = [part.strip('"') for part in name.split(".")]
        return any(self._names(part) for part in parts if part)

    def _names(self, part: str) -> bool:
        if part in self._prefixes:
            return True
        if len(part) == 1:  # a kind of object, as in `relkind = 'r'`, rather than a name
            return False
        if any(part.startswith(f"{prefix}_") for prefix in self._prefixes):
            return True
        return self._mentioned(f'"{part}"' if part.lower() in self._reserved else part, self.texts)

    @staticmethod
    def _mentioned(name: str, texts: list[str]) -> bool:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        return any(word.search(text) for text in texts)


def _objects_named(statement: list[Token]) -> set[str]:
    """The names that stand after TABLE, INDEX, ON and the like, their schema left out."""
    found = set()
    for number, token in enumerate(statement[:-1]):
        if token.says(*NAMED_AFTER):
            name = statement[number + 1]
            if number + 3 < len(statement) and statement[number + 2].text == ".":
                name = statement[number + 3]
            if name.kind in ("word", "quoted"):
                found.add(name.name)
    return found


def _values_in(parameters: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    todo: list[Any] = list(parameters)
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(each for key, each in value.items() if not str(key).startswith(LABELS))
        elif isinstance(value, (list, tuple, set)):
            todo.extend(value)
        else:
            found.append(value)
    return found


def _texts_in(parameters: Sequence[Any]) -> list[str]:
    """Every text among the parameters: SQLAlchemy's inspector binds the names that it asks about."""
    return [value for value in _values_in(parameters) if isinstance(value, str) and value]


def _numbers_in(parameters: Sequence[Any]) -> list[int]:
    """Every number among the parameters: the inspector's second question binds the OIDs of the first one's answer."""
    return [value for value in _values_in(parameters) if isinstance(value, int) and not isinstance(value, bool)]


def _literals_in(sql: str) -> list[str]:
    return [
        token.text[token.text.index("'") + 1 : -1]
        for token in tokens(sql)
        if token.kind == "string" and "'" in token.text
    ]
