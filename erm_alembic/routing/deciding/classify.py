"""Which statements are pure reads: only what is known to be one may leave the primary.

The tree of a statement is walked, never its text. The words of SQL that somebody wrote as text, functions that the
database calls volatile or does not know, views that reach one of these, locks, writes in a CTE, constructs that
somebody compiles in their own way: each is a reason to stay on the primary. Verdicts are remembered by SQLAlchemy's own
cache key, so that a statement is walked once, whatever its parameters.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import ClauseElement, CompoundSelect, Select, bindparam, column, quoted_name, visitors
from sqlalchemy.sql.compiler import OPERATORS
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ColumnClause, Extract, TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import ForUpdateArg, TableClause
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from erm_alembic.postgres.volatility import Volatility
from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.sqlalchemy_internals import (
    compiled_alone,
    final_statement,
    has_text_around,
    is_of_the_orm,
    renders_types,
    shape_of,
    texts_in_from,
    values_within,
)

__all__ = ["Classifier", "is_known_write"]

_NOT_KNOWN_YET = Reason(Why.NOT_KNOWN_YET)
_NO_STATEMENT = Reason(Why.NOT_A_READ, "it is not a statement of SQLAlchemy's")
_NO_SELECT = Reason(Why.NOT_A_READ, "it is not a select() of SQLAlchemy's")
_TEXT = Reason(Why.NOT_A_READ, "it is text")

# How often a database is asked again because somebody names what it is not known to have, at most, in seconds.
_LOOK_AGAIN = 30.0

# More shapes of statements than this are nobody's: a program that writes literals into them, say.
_REMEMBERED = 5_000

# What looks like a function and is grammar: the catalog does not list it.
_GRAMMAR = """
    all any array cast coalesce cube current_catalog current_date current_role current_time current_timestamp
    current_user exists extract greatest grouping grouping_sets json json_array json_arrayagg json_exists json_object
    json_objectagg json_query json_scalar json_serialize json_value least localtime localtimestamp merge_action
    normalize nullif overlay position rollup row session_user some substring treat trim user xmlconcat xmlelement
    xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize
"""
_GRAMMATICAL = frozenset(_GRAMMAR.split())
_STANDARD_OPERATORS = frozenset(spelled.strip() for spelled in OPERATORS.values())
# Operators that are words; LIKE and the like stand for operators of the catalog that are among the standard ones.
_WORDS = frozenset(
    {
        *("AND", "OR", "IS", "IS NOT", "IN", "NOT IN", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "OVERLAPS"),
        *("SIMILAR TO", "NOT SIMILAR TO", "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "AT TIME ZONE"),
    }
)
_OPERATOR_CHARACTERS = frozenset("+-*/<>=~!@#%^&|`?")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def is_known_write(statement: object) -> bool:
    """Whether a statement is known to write: one of SQLAlchemy's own INSERT, UPDATE, DELETE, or a lock on rows.

    Example:
        >>> from sqlalchemy import delete, select, table
        >>> is_known_write(delete(table("t"))), is_known_write(select(table("t")))
        (True, False)
    """
    return isinstance(statement, ClauseElement) and any(
        isinstance(element, UpdateBase | ForUpdateArg) for element in visitors.iterate(statement)
    )


class Classifier:
    """Tells pure reads from everything else, for one database.

    It knows nothing, and calls nothing a read that uses a function, until it was told what the database says of them.
    Any thread may ask while another tells: whoever asks takes what is known once, and works with that alone, so that no
    verdict of before is found beside what is known after it.

    Args:
        look_again: called where a statement names what the database is not known to have, which may be new: tells it
            (`learn`) at once, or later; None where nobody does.
        every: how often that is called at most, in seconds.
    """

    def __init__(self, look_again: Callable[[], None] | None = None, every: float = _LOOK_AGAIN) -> None:
        self._known = _Knowledge(None)
        self._look_again, self._every, self._looked_at = look_again, every, float("-inf")

    @property
    def knows_functions(self) -> bool:
        """Whether it was told what the database says of its functions."""
        return self._known.volatility is not None

    def learn(self, volatility: Volatility) -> None:
        """Take over what the database says of its functions, and forget the verdicts of before."""
        if volatility != self._known.volatility:
            self._known = _Knowledge(volatility)

    def why_not(self, statement: Any) -> Reason | None:
        """Why a statement is not known to be a pure read; None where it is.

        Args:
            statement: what is about to be executed.
        """
        # Twice the same object is a lookup; a new object of the same shape is a key and a lookup.
        known = self._known
        try:
            verdict = known.by_statement.get(statement, _UNHEARD_OF)
        except TypeError:
            return _NO_STATEMENT
        if verdict is _UNHEARD_OF:
            verdict = known.by_statement[statement] = known.of_shape(statement)
        if verdict is not None and verdict.why is Why.UNKNOWN_NAME and self._has_news(known):
            return self.why_not(statement)
        return verdict

    def why_not_sent(self, compiled: Any) -> Reason | None:
        """The same of a statement as it is sent, with all that the mapping and its options have added.

        Args:
            compiled: what is about to be sent; None where it is not made of a statement.
        """
        if compiled is None:
            return _TEXT
        known = self._known
        verdict = known.by_compiled.get(compiled, _UNHEARD_OF)
        if verdict is _UNHEARD_OF:
            final = final_statement(compiled)  # a text of one word is a name within a statement, and COMMIT as one
            verdict = known.by_compiled[compiled] = _TEXT if isinstance(final, TextClause) else known.of_tree(final)
        if verdict is not None and verdict.why is Why.UNKNOWN_NAME and self._has_news(known):
            return self.why_not_sent(compiled)
        return verdict

    def _has_news(self, known: _Knowledge) -> bool:
        """Have the database asked again, unless that was lately; whether more is known by now."""
        now = time.monotonic()
        if self._look_again is not None and now - self._looked_at >= self._every:
            self._looked_at = now
            self._look_again()
        return known is not self._known


# Of what no verdict was remembered yet.
_UNHEARD_OF = Reason(Why.NOT_A_READ, "nobody has looked at it")


class _Knowledge:
    """What a database said of its functions, and the verdicts that follow from that: what it says later has others.

    Args:
        volatility: what it said; None while nothing is known.
    """

    __slots__ = ("_by_key", "by_compiled", "by_statement", "volatility")

    def __init__(self, volatility: Volatility | None) -> None:
        self.volatility = volatility
        self._by_key: dict[Any, Reason | None] = {}
        self.by_statement: weakref.WeakKeyDictionary[Any, Reason | None] = weakref.WeakKeyDictionary()
        self.by_compiled: weakref.WeakKeyDictionary[Any, Reason | None] = weakref.WeakKeyDictionary()

    def of_shape(self, statement: Any) -> Reason | None:
        """Why a statement is no pure read, told once for all of its shape."""
        if not isinstance(statement, Select | CompoundSelect):
            return _NO_SELECT
        shape = shape_of(statement)
        if shape is None:
            return self.of_tree(statement)
        verdict = self._by_key.get(shape, _UNHEARD_OF)
        if verdict is _UNHEARD_OF:
            if len(self._by_key) >= _REMEMBERED:
                self._by_key = {}
            verdict = self._by_key[shape] = self.of_tree(statement)
        return verdict

    def of_tree(self, statement: ClauseElement) -> Reason | None:
        """Why a statement is no pure read, told from its tree; None where it is one."""
        if self.volatility is None:
            return _NOT_KNOWN_YET
        objection = next(self._objections(statement), "")
        why = Why.UNKNOWN_NAME if isinstance(objection, _Unknown) else Why.NOT_A_READ
        return Reason(why, str(objection)) if objection else None

    def _objections(self, statement: ClauseElement) -> Iterator[str]:
        if self.volatility is not None and (suspicious := self.volatility.operators & _STANDARD_OPERATORS):
            yield f"the database has a volatile function behind the operator {min(suspicious)}"
        for element in visitors.iterate(statement):
            for expression in values_within(element):
                yield from self._objections(expression)
            yield from _written_by_somebody(element)
            yield from self._dangerous(element)
            if isinstance(element, Select) and element is not statement and is_of_the_orm(element):
                yield from self._objections(final_statement(compiled_alone(element)))
            for expression in _applied_by_types(element):
                for inner in visitors.iterate(expression):
                    yield from self._dangerous(inner)

    def _dangerous(self, element: Any) -> Iterator[str]:
        known = self.volatility
        if isinstance(element, UpdateBase):
            yield "it writes"
        elif isinstance(element, ForUpdateArg):
            yield "it locks rows"
        elif isinstance(element, FunctionElement):
            yield from self._objections_to_function(str(getattr(element, "name", "")))
        elif isinstance(element, TableClause):
            yield from self._objections_to_relation(element.name)
        elif isinstance(element, ColumnClause | TextClause) and known is not None:
            word = _last_part(element.name if isinstance(element, ColumnClause) else element.text)
            if _spellings(word) & known.of_rows:
                yield f"the function {word} of a whole row is volatile"
        for text in texts_in_from(element):
            yield from self._objections_to_relation(_last_part(text.text))
        for operator in (getattr(element, "operator", None), getattr(element, "modifier", None)):
            if isinstance(operator, custom_op):
                yield from self._objections_to_operator(operator.opstring.strip())

    def _objections_to_relation(self, name: str) -> Iterator[str]:
        known = self.volatility
        if known is None or not _spellings(name) & known.names:
            yield _Unknown(f"the relation {name} is not known to the database")
        elif _spellings(name) & known.relations:
            yield f"reading {name} may run a volatile function, or leave the database"

    def _objections_to_operator(self, spelled: str) -> Iterator[str]:
        if self.volatility is not None and spelled in self.volatility.operators:
            yield f"the operator {spelled} runs a volatile function"
        elif not _is_operator(spelled):
            yield "a part of it is text: an operator that is none"

    def _objections_to_function(self, name: str) -> Iterator[str]:
        known = self.volatility
        if name.lower() in _GRAMMATICAL:
            return
        if known is None or not _spellings(name) & known.functions:
            yield _Unknown(f"the function {name} is not known to the database")
        elif _spellings(name) & known.volatile:
            yield f"the function {name} is volatile"


def _written_by_somebody(element: Any) -> Iterator[str]:
    """What in a tree is text, or is made into text in somebody's own way."""
    if isinstance(element, TextClause):
        if not _is_one_word(element.text):
            yield "a part of it is text"
    elif isinstance(element, ColumnClause):
        if element.is_literal and not _is_one_word(element.name):
            yield "a part of it is text"
    elif isinstance(element, Select) and has_text_around(element):
        yield "it has hints, prefixes or suffixes, which are text"
    elif isinstance(element, Extract) and not _is_one_word(element.field):
        yield "a part of it is text"
    if any(
        isinstance(name, quoted_name) and name.quote is False and not _is_one_word(name)
        for name in (getattr(element, "name", None), getattr(element, "schema", None))
    ):
        yield "a part of it is text: a name that is not quoted"
    if _is_compiled_by_somebody(type(element)):
        yield f"{type(element).__name__} is compiled in its own way"
    if renders_types(element) and not _is_standard(element.type):
        yield f"what its type {type(element.type).__name__} stands for is not known"


class _Unknown(str):
    """An objection to something that the database was not known to have, which it may have by now."""


def _spellings(name: str) -> set[str]:
    """The names that a name may stand for: as it is, where it is quoted, and in lower case, where it is not."""
    return {str(name), str(name).lower()}


def _last_part(name: str) -> str:
    return str(name).rpartition(".")[2]


def _is_one_word(text: str) -> bool:
    """Whether a text is one name, one number or a star: nothing that could call or lock anything."""
    return text == "*" or text.replace(".", "").replace("_", "").isalnum()


def _is_operator(spelled: str) -> bool:
    """Whether a text is one operator: of its characters, without a comment, or a word that is grammar."""
    if spelled.upper() in _WORDS:
        return True
    return bool(spelled) and not set(spelled) - _OPERATOR_CHARACTERS and not {"--", "/*"} & _pairs(spelled)


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text))}


def _is_standard(kind: TypeEngine[Any]) -> bool:
    """Whether a type, and what it is made of, is one of SQLAlchemy's that stands for nothing but itself.

    The name that somebody's type gives may be a domain's, whose check calls a function.
    """
    made_of = (getattr(kind, "impl_instance", None), getattr(kind, "item_type", None))
    if isinstance(kind, UserDefinedType | postgresql.DOMAIN) or _is_compiled_by_somebody(type(kind)):
        return False
    if not isinstance(kind, TypeDecorator) and not type(kind).__module__.startswith("sqlalchemy."):
        return False
    return all(_is_standard(each) for each in made_of if isinstance(each, TypeEngine) and each is not kind)


def _is_compiled_by_somebody(kind: type) -> bool:
    """Whether a function of somebody's makes the SQL of such elements (`sqlalchemy.ext.compiler.compiles`)."""
    dispatcher = getattr(kind, "_compiler_dispatcher", None)
    specs: dict[str, Callable[..., Any]] = getattr(dispatcher, "specs", {})
    return any(
        name in specs and not (getattr(specs[name], "__module__", None) or "").startswith("sqlalchemy.")
        for name in ("default", "postgresql")
    )


def _applied_by_types(element: Any) -> Iterator[ClauseElement]:
    """The functions that a type wraps around its columns and parameters when the statement is compiled."""
    kind = getattr(element, "type", None)
    if not isinstance(kind, TypeEngine):
        return
    impl = kind.dialect_impl(_DIALECT)
    for wrapped in (impl.column_expression(column("c", kind)), impl.bind_expression(bindparam("p", type_=kind))):
        if isinstance(wrapped, ClauseElement):
            yield wrapped
