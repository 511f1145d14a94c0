"""What the server says when it refuses something for want of a right.

It tells the object and not the right, and only in words, so they are read with `lc_messages` set to C. The words are
those of PostgreSQL 13 to 18; tests/grants/test_refusals.py has the servers say them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Refusal", "refusal_in", "refusal_of_notice"]

OWNER = re.compile(r"must be owner of (?P<kind>[a-z -]+?) (?P<name>.+)", re.DOTALL)
DENIED = re.compile(r"permission denied for (?P<kind>[a-z -]+?) (?P<name>.+)", re.DOTALL)
MEMBER = re.compile(
    r'(?:must be able to SET ROLE|must be (?:a )?member of role|must inherit privileges of role) "(?P<name>.+)"',
    re.DOTALL,
)
# "no privileges were granted for "t"", "not all privileges could be revoked for column ... of relation "t"": nothing is
# done, and no error tells it.
NOT_GRANTED = re.compile(
    r"(?:WARNING|NOTICE):\s+(?:no|not all) privileges (?:were granted|could be revoked) for "
    r'(?:column ".+" of relation )?"(?P<name>.+)"',
    re.DOTALL,
)
# What a message calls something before its name, longest first.
NO_KIND = "object"


@dataclass(frozen=True)
class Refusal:
    """What the server wants.

    Args:
        wants: `owner` of an object, a `privilege` on it, a `member` of a role; `other`: what no right on one gives.
        kind: how the message calls the object; empty for a role.
        name: its name as the message has it; of `other`, the whole message.
        hint: what the server adds, its detail and its hint.
    """

    wants: Literal["owner", "privilege", "member", "other"]
    kind: str
    name: str
    hint: str = ""


def refusal_in(message: str, hint: str = "") -> Refusal:
    """What an error with the code 42501 asks for.

    Args:
        message: its first message.
        hint: its hint.

    Example:
        >>> refusal_in("must be owner of materialized view daily")
        Refusal(wants='owner', kind='materialized view', name='daily', hint='')
        >>> refusal_in("permission denied for table orders").wants
        'privilege'
        >>> refusal_in('must be able to SET ROLE "owner"').name
        'owner'
        >>> refusal_in('permission denied to create extension "file_fdw"').wants
        'other'
    """
    for wants, pattern in (("owner", OWNER), ("privilege", DENIED)):
        found = pattern.fullmatch(message)
        if found is not None:
            kind, name = _split(found["kind"], found["name"])
            return Refusal("owner" if wants == "owner" else "privilege", kind, name, hint)
    member = MEMBER.fullmatch(message)
    if member is not None:
        return Refusal("member", "", member["name"], hint)
    return Refusal("other", "", message, hint)


def refusal_of_notice(notice: str) -> Refusal | None:
    """What a GRANT or a REVOKE that did nothing asks for: the right to hand on, which the owner has.

    Args:
        notice: a notice, as psycopg2 keeps it.

    Example:
        >>> refusal_of_notice('WARNING:  no privileges were granted for "orders"').name
        'orders'
    """
    found = NOT_GRANTED.match(notice.strip())
    return None if found is None else Refusal("owner", NO_KIND, found["name"])


# Kinds of two words or three: without them `view daily` would be the name of a materialised view.
LONG = (
    "text search configuration",
    "text search dictionary",
    "foreign-data wrapper",
    "materialized view",
    "partitioned table",
    "statistics object",
    "operator family",
    "operator class",
    "foreign server",
    "foreign table",
    "event trigger",
    "large object",
)


def _split(kind: str, name: str) -> tuple[str, str]:
    """The kind and the name, where the kind has more than one word."""
    whole = f"{kind} {name}"
    for words in LONG:
        if whole.startswith(f"{words} "):
            return words, whole[len(words) + 1 :]
    return kind, name
