"""What the child tells of a trial: values that travel as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from erm_alembic.postgres.rights.objects import Address

__all__ = ["Need", "need_from_json", "need_to_json"]


@dataclass(frozen=True)
class Need:
    """A right without which a revision is refused.

    Args:
        right: `OWN` of an object, a privilege on it, `MEMBER` or `SET` of a role; `SUPERUSER` for what no grant gives.
        object: on what; None for a role and for `SUPERUSER`.
        name: the role; what the server said, or the command, for `SUPERUSER`.
        hint: what the server added.
        grantee: the role that it has to be given to; None for the one that migrates.
        revision: the first revision that was refused without it.
        direction: `upgrade` or `downgrade`: the first that was.

    Example:
        >>> need = Need("SELECT", Address("table", ("public", "t"), (), "public.t"), revision="3a1f")
        >>> need_from_json(need_to_json(need)) == need
        True
    """

    right: str
    object: Address | None = None
    name: str = ""
    hint: str = ""
    grantee: str | None = None
    revision: str = ""
    direction: str = "upgrade"


def need_to_json(need: Need) -> dict[str, Any]:
    """A need as what JSON has."""
    return asdict(need)


def need_from_json(told: Mapping[str, Any]) -> Need:
    """What `need_to_json` wrote."""
    return Need(**{**told, "object": None if told["object"] is None else address_from_json(told["object"])})


def address_from_json(told: Mapping[str, Any]) -> Address:
    """The address of an object as the child told it."""
    return Address(told["type"], tuple(told["names"]), tuple(told["args"]), told["identity"])
