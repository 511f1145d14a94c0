"""What the ledger keeps must fit a database of any encoding: an emoji in a comment shall not stop a deployment.

A character that the database lacks is written as a backslash escape; a source, which must come back byte for byte, is
packed whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import encodings

__all__ = ["Source", "beside_placeholders", "fitted", "unpacked"]

PACKED = "base64:"


class Source(str):
    """The text of a revision file, which must come back as it was."""

    __slots__ = ()


def fitted(values: Iterable[Any], connection: Any) -> list[Any]:
    """Values that a connection can send and its database can keep.

    Args:
        values: the values of a statement's parameters; lists among them too.
        connection: the psycopg2 connection that sends them.
    """
    codecs = {_codec(connection.encoding), _codec(connection.info.parameter_status("server_encoding") or "")}
    return [_fitted(value, codecs) for value in values]


def _fitted(value: Any, codecs: set[str]) -> Any:
    if isinstance(value, list):
        return [_fitted(each, codecs) for each in value]
    if not isinstance(value, str):
        return value
    if not isinstance(value, Source):
        value = value.replace("\x00", "")  # which no server can keep
    if "\x00" not in value and all(_encodes(value, codec) for codec in codecs):
        return str(value)
    if isinstance(value, Source):
        return PACKED + base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")
    for codec in codecs:
        value = value.encode(codec, "backslashreplace").decode(codec)
    return value


def beside_placeholders(part: sql.Composable, connection: Any) -> sql.SQL:
    """A name or a literal as a part of a statement with placeholders, in which only two percent signs stand for one.

    Args:
        part: the name or the literal.
        connection: the psycopg2 connection that sends the statement.
    """
    return sql.SQL(part.as_string(connection).replace("%", "%%"))


def unpacked(source: str) -> str:
    """A source as it was before it was made to fit.

    Example:
        >>> unpacked("base64:8J+QmA==") == chr(0x1F418)
        True
    """
    if not source.startswith(PACKED):
        return source
    return base64.b64decode(source.removeprefix(PACKED)).decode("utf-8", "surrogatepass")


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _codec(postgres_name: str) -> str:
    return encodings.get(postgres_name, "ascii")
