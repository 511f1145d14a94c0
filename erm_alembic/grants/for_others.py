"""What others read today, they are to read tomorrow: default privileges for what the migration role makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from erm_alembic.grants.gathering import Gathering
from erm_alembic.postgres.rights.objects import Address, Found
from erm_alembic.postgres.rights.standing import DefaultPrivileges

__all__ = ["want_for_others"]

# Without these there is nothing that an application could do with a new table; the rest is nobody's by default.
ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
ON_SEQUENCES = ("USAGE", "SELECT", "UPDATE")


def want_for_others(
    gathering: Gathering, relations: Iterable[Address], maker: str, besides: Sequence[str], leave_out: str
) -> None:
    """Default privileges for those who were given rights on most of the project's tables, or by default before.

    Args:
        gathering: gathers them.
        relations: the project's tables and sequences.
        maker: who makes new ones from now on.
        besides: the roles that migrate: they have what they need.
        leave_out: Alembic's version table.
    """
    standing = gathering.standing
    there = [(address, standing.find(address)) for address in relations if address.identity != leave_out]
    found = [each for _, each in there if each is not None]
    owners = {standing.owner(each) for each in found}
    schemas = sorted({each.address.names[0] for each in found})
    have = set(standing.defaults_of(maker)) if standing.role(maker) is not None else set()
    wanted: dict[DefaultPrivileges, str] = {}
    for owner in sorted(owners - {maker}):
        for each in standing.defaults_of(owner):
            if each.schema is None or each.schema in schemas:
                wanted.setdefault(each, f"as what {owner!r} makes has it")
    for each, why in _given_on_most(gathering, found, [*owners, *besides]):
        wanted.setdefault(each, why)
    everywhere = {(each.objects, each.grantee, each.privilege) for each in wanted if each.schema is None}
    by_place: dict[tuple[str | None, str, str, bool], dict[str, str]] = defaultdict(dict)
    for each, why in wanted.items():
        if each.schema is None or (each.objects, each.grantee, each.privilege) not in everywhere:
            by_place[(each.schema, each.objects, each.grantee, each.everybody)][each.privilege] = why
    for (schema, objects, grantee, everybody), privileges in by_place.items():
        held = all(
            DefaultPrivileges(place, objects, grantee, everybody, privilege) in have
            for privilege in privileges
            for place in (schema,)
        )
        sql = gathering.statements.by_default(maker, schema, [*privileges], objects, None if everybody else grantee)
        gathering.last(sql, next(iter(privileges.values())), held=held, kind="for-others")


def _given_on_most(
    gathering: Gathering, found: Sequence[Found], besides: Sequence[str]
) -> Iterable[tuple[DefaultPrivileges, str]]:
    """Rights that a role has on more than half of a schema's tables, or sequences."""
    totals: dict[tuple[str, bool], int] = defaultdict(int)
    for each in found:
        totals[(each.address.names[0], each.address.type == "sequence")] += 1
    for held in gathering.standing.rights_on(each.oid for each in found):
        total = totals[(held.schema, held.sequences)]
        usual = ON_SEQUENCES if held.sequences else ON_TABLES
        if held.grantee in besides or held.privilege not in usual or held.count * 2 <= total:
            continue
        what = "SEQUENCES" if held.sequences else "TABLES"
        whose = "everybody" if held.everybody else repr(held.grantee)
        yield (
            DefaultPrivileges(held.schema, what, held.grantee, held.everybody, held.privilege),
            f"{whose} has it on {held.count} of the {total} {what.lower()} of the project in {held.schema!r}",
        )
