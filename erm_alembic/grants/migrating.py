"""For `migrate`: the rights that the revisions were refused without, and those of erm's own."""

from __future__ import annotations

import re
from collections.abc import Collection

from erm_alembic.grants.gathering import Gathering
from erm_alembic.grants.tried import Tried
from erm_alembic.ledger.rights import READING, writing
from erm_alembic.postgres.rights.kinds import privileges_of
from erm_alembic.postgres.rights.objects import Address, Found
from erm_alembic.shadow.rights.told import Need

__all__ = ["use_schema", "want_connection", "want_ledger", "want_migrations", "want_optional"]

EXTENSION = re.compile(r'permission denied to create extension "(?P<name>.+)"', re.DOTALL)
PARAMETER = re.compile(r'permission denied to set parameter "(?P<name>.+)"', re.DOTALL)
# Up to PostgreSQL 15 the message names it, from 16 on the detail; in 13, as one of whose members one has to be.
PREDEFINED = re.compile(r'(?:privileges|a member) of the "?(?P<name>pg_\w+)"? role')
MAKES_ROLES = ("permission denied to create role", "permission denied to alter role", "permission denied to drop role")
PARAMETERS_SINCE = 15
SUBSCRIPTIONS_SINCE = 16
BOUNDED_CREATEROLE_SINCE = 16
ALL = tuple(writing())


def want_migrations(gathering: Gathering, tried: Tried, role: str, acts_as: str) -> None:
    """What the revisions need.

    Args:
        gathering: gathers it.
        tried: what the trial has shown.
        role: who logs in.
        acts_as: as whom the revisions are run.
    """
    gathering.member(acts_as, role, "migrations.role: revisions are run as it", set_role=True)
    for need in sorted(tried.needs, key=lambda each: each.right != "OWN"):
        # Before the first deployment the shadow has a version table, and the target none: who makes it owns it.
        made = need.object is not None and need.object.identity == tried.version_table
        if not (made and need.object is not None and gathering.standing.find(need.object) is None):
            _want(gathering, need, need.grantee or acts_as, role)
    ran = tried.trial.upgraded + tried.trial.downgraded
    for address in tried.relations:
        found = gathering.standing.find(address)
        if found is None and address.identity == tried.version_table:
            _want_version_table(gathering, address.names[0], acts_as)
        if found is None:
            continue
        if address.identity != tried.version_table:
            gathering.own(found, acts_as, "revisions to come may alter and drop it", optional=bool(ran))
        if not ran:
            use_schema(gathering, address.names[0], acts_as, "what the revisions have made is there")
    if tried.trial.status == "unknown":
        _want_untried(gathering, tried, acts_as)
    _tell_of_owners(gathering, acts_as)


def _want_version_table(gathering: Gathering, schema: str, acts_as: str) -> None:
    """Alembic makes its version table where there is none."""
    found = gathering.standing.named("schema", schema)
    if found is not None:
        for privilege in ("USAGE", "CREATE"):
            gathering.privilege(found, privilege, acts_as, "Alembic's version table")


def _want_untried(gathering: Gathering, tried: Tried, acts_as: str) -> None:
    """Where nothing could be tried: what nearly every revision needs."""
    for name in sorted({address.names[0] for address in tried.relations}):
        found = gathering.standing.named("schema", name)
        if found is not None:
            gathering.privilege(found, "CREATE", acts_as, "revisions make what is new there")
    for address in tried.relations:
        if address.identity == tried.version_table and (found := gathering.standing.find(address)) is not None:
            for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                gathering.privilege(found, privilege, acts_as, "Alembic's version table")
    gathering.remark(
        "No revision was tried: these are the rights that most revisions take, and no more is known of these.",
        tried.trial.reason or "",
    )


def use_schema(gathering: Gathering, schema: str, role: str, why: str) -> None:
    """A role is to find what is in a schema.

    Args:
        gathering: gathers it.
        schema: the schema.
        role: the role.
        why: what for.
    """
    found = gathering.standing.named("schema", schema)
    if found is not None:
        gathering.privilege(found, "USAGE", role, why)


def _tell_of_owners(gathering: Gathering, acts_as: str) -> None:
    """What is made from now on has another owner than what is there, unless revisions act as that one."""
    owners = sorted(of for of in gathering.inherited(acts_as) if not of.startswith("pg_"))
    if owners:
        gathering.remark(
            f"What {acts_as!r} makes belongs to {acts_as!r}, and not to {', '.join(map(repr, owners))}.",
            f"To keep one owner: migrations: {{role: {owners[0]}}} in erm.yaml, and ask again.",
        )


def _want(gathering: Gathering, need: Need, acts_as: str, role: str) -> None:
    why = f"{need.direction} of {need.revision}" if need.revision else "Alembic's version table"
    if need.right == "SET":
        gathering.member(need.name, role, f"SET ROLE in the {why}", set_role=True)
    elif need.right == "MEMBER":
        gathering.member(need.name, acts_as, why, inherit=True, set_role=True)
    elif need.right == "SHARED":
        _want_shared(gathering, need.name, acts_as, why)
    elif need.right == "SUPERUSER":
        _want_more(gathering, need, acts_as, why)
    else:
        assert need.object is not None
        found = gathering.standing.find(need.object)
        if found is None:
            _want_to_make(gathering, need.object, acts_as, why)
        elif need.right == "OWN" or not is_granted(found, need.right, gathering.standing.major):
            gathering.own(found, acts_as, why)
        else:
            gathering.privilege(found, need.right, acts_as, why)
            if need.object.type == "schema":
                gathering.privilege(found, "USAGE", acts_as, why)
        if found is not None and len(need.object.names) > 1 and need.right != "OWN":
            use_schema(gathering, need.object.names[0], acts_as, why)


def _want_to_make(gathering: Gathering, missing: Address, acts_as: str, why: str) -> None:
    """What the shadow has and the target has not: env.py makes it, or will have made it; who makes it owns it."""
    place = (
        gathering.standing.named("database", gathering.standing.database)
        if missing.type == "schema"
        else gathering.standing.named("schema", missing.names[0])
    )
    if place is not None:
        gathering.privilege(place, "CREATE", acts_as, f"{missing.type} {missing.identity} is yet to be made ({why})")


def is_granted(found: Found, privilege: str, major: int) -> bool:
    """Whether a server knows a privilege: a shadow of a newer major may have asked for one that is the owner's here.

    Args:
        found: the object.
        privilege: the privilege.
        major: the server's major version.
    """
    return privilege in privileges_of(found.kind, found.address.type, major)


def _want_shared(gathering: Gathering, statement: str, role: str, why: str) -> None:
    """What revisions do to what all databases share, which the shadow does not try."""
    verb, _, what = statement.partition(" ")
    known = gathering.standing.role(role)
    major = gathering.standing.major
    if what in ("ROLE", "USER", "GROUP"):
        held = known is not None and known.may_create_roles
        gathering.first(gathering.statements.attribute(role, "CREATEROLE"), f"{statement} in the {why}", held=held)
        if major >= BOUNDED_CREATEROLE_SINCE and verb != "CREATE":
            gathering.remark(
                f"{statement} in the {why} works on roles that {role!r} has made, or was granted WITH ADMIN OPTION."
            )
        return
    if statement == "CREATE DATABASE":
        held = known is not None and known.may_create_databases
        gathering.first(gathering.statements.attribute(role, "CREATEDB"), f"{statement} in the {why}", held=held)
        return
    if what == "SUBSCRIPTION" and major >= SUBSCRIPTIONS_SINCE:
        gathering.member("pg_create_subscription", role, f"{statement} in the {why}", inherit=True)
        database = gathering.standing.named("database", gathering.standing.database)
        if database is not None:
            gathering.privilege(database, "CREATE", role, f"{statement} in the {why}")
        return
    who = "the database's owner" if statement in ("ALTER DATABASE", "COMMENT ON") else "an administrator"
    if statement in ("GRANT", "REVOKE"):
        who = "whoever may hand that right on"
    gathering.remark(
        f"{statement} in the {why} acts on what all databases share: only {who} may do that.",
        "Run it beforehand as that role, and leave it out of the revision.",
        blocks=True,
    )


def _want_more(gathering: Gathering, need: Need, role: str, why: str) -> None:
    """What no grant on an object gives."""
    extension, parameter = EXTENSION.fullmatch(need.name), PARAMETER.fullmatch(need.name)
    predefined = PREDEFINED.search(f"{need.name} {need.hint}")
    if extension is not None:
        there = gathering.standing.named("extension", extension["name"])
        gathering.first(
            gathering.statements.extension(extension["name"]),
            f"only a superuser makes this extension ({why})",
            held=there is not None,
        )
        gathering.remark(
            f"The extension {extension['name']!r} must be there before the {why}, which says CREATE EXTENSION.",
            "That does nothing then where it says IF NOT EXISTS, and fails where it does not.",
        )
    elif parameter is not None and gathering.standing.major >= PARAMETERS_SINCE:
        sql = gathering.statements.parameter(parameter["name"], role)
        gathering.last(sql, f"SET {parameter['name']} in the {why}", held=False)
    elif predefined is not None:
        gathering.member(predefined["name"], role, why, inherit=True)
    elif need.name.startswith(MAKES_ROLES):
        known = gathering.standing.role(role)
        held = known is not None and known.may_create_roles
        gathering.first(gathering.statements.attribute(role, "CREATEROLE"), why, held=held)
    else:
        said = f"{need.name}{f' ({need.hint})' if need.hint else ''}"
        gathering.remark(
            f"The {why} takes a superuser: {said}",
            "Let an administrator do that beforehand, and leave it out of the revision.",
            blocks=True,
        )


def want_connection(gathering: Gathering, role: str) -> None:
    """It may connect, which PUBLIC may unless somebody revoked it."""
    database = gathering.standing.named("database", gathering.standing.database)
    if database is not None:
        gathering.privilege(database, "CONNECT", role, "it connects")


def want_ledger(
    gathering: Gathering,
    schema: str,
    role: str,
    *,
    only_read: bool = False,
    tables: Collection[str] = ALL,
) -> None:
    """The ledger, which the role that logs in keeps.

    Args:
        gathering: gathers it.
        schema: the ledger's schema.
        role: who logs in.
        only_read: whether it only plans.
        tables: the tables that it is about.
    """
    found = gathering.standing.named("schema", schema)
    if found is None:
        if not only_read:
            gathering.last(gathering.statements.own_schema(schema, role), "the ledger of erm", held=False)
        return
    if gathering.standing.owner(found) == role:
        return
    why = "the ledger of erm"
    gathering.privilege(found, "USAGE", role, why)
    there = {name: gathering.standing.named("table", schema, name) for name in writing()}
    if None in there.values() and not only_read:
        gathering.privilege(found, "CREATE", role, "tables of the ledger that are missing")
        if there["run"] is not None:
            gathering.privilege(there["run"], "REFERENCES", role, "tables of the ledger that are missing")
    for name, privileges in writing().items():
        table = there[name]
        if table is not None and name in tables:
            for privilege in READING if only_read else privileges:
                gathering.privilege(table, privilege, role, why)


def want_optional(gathering: Gathering, role: str) -> None:
    """What erm does without, and what tells more where it is there."""
    gathering.member(
        "pg_read_all_stats",
        role,
        "who stands in the way of a lock is then told with what they do",
        inherit=True,
        optional=True,
    )
    gathering.member(
        "pg_signal_backend",
        role,
        "to end such a session by hand, as the cure of a lock that is not had says; erm ends none",
        inherit=True,
        optional=True,
    )
