"""Which statements act on what all databases of a server share, or have the server itself connect somewhere.

In a scratch database such a statement would change the server for everybody, or fail because somebody else's has done
the same before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from erm_alembic.postgres.text.lexer import Token, split_statements

__all__ = ["Shared", "shared_statements", "statement_texts"]

Act = Literal["role", "tablespace", "extension", "server", "elsewhere", "names-role", "local"]

# Without one of these words nothing of it can be meant: most statements are not looked at any closer.
WORDS = re.compile(
    r"(?i)\b(?:role|user|group|tablespace|database|system|extension|subscription|grant|revoke|owner|owned|policy"
    r"|authorization|program|dblink\w*|foreign(?!\s+key))\b"
)
ROLE_WORDS = ("ROLE", "USER", "GROUP")
CONNECTING = re.compile(r"(?i)dblink(?:_connect(?:_u)?|_exec|_open|_send_query)?")


@dataclass(frozen=True)
class Shared:
    """One statement of a text.

    Args:
        act: what it acts on: `role`, `tablespace`, `extension` (of this database, but from the server's files), another
            object of the `server`; `elsewhere` for one that makes the server connect somewhere or run a program;
            `names-role` for one of this database that names roles; `local` for every other one.
        verb: its first keyword, in upper case.
        names: the roles, the tablespace or the extension that it creates or renames to.
        text: the statement.
        version: the version of an extension that it asks for.
        schema: the schema that an extension is to be in.
    """

    act: Act
    verb: str
    text: str
    names: tuple[str, ...] = ()
    version: str | None = None
    schema: str | None = None


def shared_statements(sql: str) -> tuple[Shared, ...]:
    """The statements of a text, where one of them is not `local`; else nothing.

    Args:
        sql: the text.

    Example:
        >>> [(each.act, each.names) for each in shared_statements('CREATE ROLE "Read Only"; SELECT 1')]
        [('role', ('Read Only',)), ('local', ())]
        >>> shared_statements("CREATE TABLE t (a int)")
        ()
    """
    if WORDS.search(sql) is None:
        return ()
    found = tuple(_classified(statement, text) for statement, text in _with_text(sql))
    return found if any(each.act != "local" for each in found) else ()


def statement_texts(sql: str) -> Iterator[str]:
    """The statements of a text, each as its text.

    Args:
        sql: the text.

    Example:
        >>> list(statement_texts("SELECT ';' ; SELECT 2"))
        ["SELECT ';'", 'SELECT 2']
    """
    for _, text in _with_text(sql):
        yield text


def _with_text(sql: str) -> Iterator[tuple[list[Token], str]]:
    for statement in split_statements(sql):
        last = statement[-1]
        yield statement, sql[statement[0].start : last.start + len(last.text)]


def _classified(statement: list[Token], text: str) -> Shared:
    verb = statement[0].text.upper() if statement[0].kind == "word" else ""
    second = next((token for token in statement[1:] if not token.says("OR", "REPLACE", "TRUSTED")), None)
    if verb == "CREATE" and second is not None and second.says("EXTENSION"):
        return _extension(statement, text)
    if verb in ("CREATE", "ALTER", "DROP") and second is not None:
        if second.says(*ROLE_WORDS) and not _says(statement, 2, "MAPPING"):
            return Shared("role", verb, text, _names(statement, verb))
        if second.says("TABLESPACE"):
            return Shared("tablespace", verb, text, _names(statement, verb))
        if second.says("DATABASE", "SYSTEM", "SUBSCRIPTION"):
            return Shared("server", verb, text)
    if verb in ("GRANT", "REVOKE"):
        return _grant(statement, verb, text)
    if verb == "COMMENT" and _says(statement, 2, "DATABASE", "ROLE", "TABLESPACE", "SUBSCRIPTION"):
        return Shared("server", verb, text)
    if verb == "COPY" and any(token.says("PROGRAM") for token in statement):
        return Shared("elsewhere", verb, text)
    if verb == "IMPORT" and _says(statement, 1, "FOREIGN"):
        return Shared("elsewhere", verb, text)
    if any(_calls_out(token, after) for token, after in pairwise(statement)):
        return Shared("elsewhere", verb, text)
    roles = ("OWNER", "OWNED", "POLICY", "AUTHORIZATION", "PRIVILEGES", "ROLE")
    return Shared("names-role" if any(token.says(*roles) for token in statement) else "local", verb, text)


def _calls_out(token: Token, after: Token) -> bool:
    """Whether a call of dblink stands here, which takes an address, rather than one that makes or drops it."""
    return token.kind in ("word", "quoted") and CONNECTING.fullmatch(token.name) is not None and after.text == "("


def _grant(statement: list[Token], verb: str, text: str) -> Shared:
    """Rights on objects of this database name roles; all else of it is the server's."""
    on = next((index for index, token in enumerate(statement) if token.says("ON")), None)
    if on is None or _says(statement, on + 1, "DATABASE", "TABLESPACE", "PARAMETER"):
        return Shared("server", verb, text)
    return Shared("names-role", verb, text)


def _names(statement: list[Token], verb: str) -> tuple[str, ...]:
    """What a CREATE makes, or what an ALTER ... RENAME TO makes of it."""
    if verb == "CREATE":
        return (statement[2].name,) if len(statement) > 2 else ()
    for at, token in enumerate(statement[:-2]):
        if verb == "ALTER" and token.says("RENAME") and statement[at + 1].says("TO"):
            return (statement[at + 2].name,)
    return ()


def _extension(statement: list[Token], text: str) -> Shared:
    rest = [token for token in statement[2:] if not token.says("IF", "NOT", "EXISTS", "WITH")]
    if not rest:
        return Shared("local", "CREATE", text)
    named = {word: _after(rest, word) for word in ("VERSION", "SCHEMA")}
    version = named["VERSION"]
    return Shared(
        "extension",
        "CREATE",
        text,
        (rest[0].name,),
        version=None if version is None else version.text.strip("'") if version.kind == "string" else version.name,
        schema=named["SCHEMA"].name if named["SCHEMA"] is not None else None,
    )


def _after(tokens: list[Token], word: str) -> Token | None:
    """What follows a keyword."""
    return next((after for token, after in pairwise(tokens) if token.says(word)), None)


def _says(statement: list[Token], at: int, *words: str) -> bool:
    return len(statement) > at and statement[at].says(*words)
