"""What is wanted of a database: each right once, and none that somebody has through PUBLIC or a membership."""

from __future__ import annotations

from dataclasses import dataclass, field

from erm_alembic.grants.model import Grant, GrantKind, Purpose, Remark
from erm_alembic.grants.sql import Statements
from erm_alembic.postgres.rights.kinds import RELATION, keyword_of, privileges_of
from erm_alembic.postgres.rights.objects import Found
from erm_alembic.postgres.rights.standing import PUBLIC, Role, Standing

__all__ = ["Gathering"]

# These cannot change their owner, or only a superuser may own them.
NOT_HANDED_OVER = ("extension", "event trigger")
DATABASE_OWNER = "pg_database_owner"
INHERIT_OPTION_SINCE = 16


@dataclass
class _Membership:
    inherit: bool = False
    set_role: bool = False
    why: str = ""
    kind: GrantKind = "needed"
    purpose: Purpose = "migrate"


@dataclass
class _Privileges:
    found: Found
    wanted: dict[str, None] = field(default_factory=dict)
    why: str = ""
    purpose: Purpose = "migrate"


class Gathering:
    """Gathers what roles need, and says it in statements.

    Args:
        standing: who has which rights there.
        statements: composes the statements.
    """

    def __init__(self, standing: Standing, statements: Statements) -> None:
        self.standing = standing
        self.statements = statements
        self.purpose: Purpose = "migrate"
        self.remarks: list[Remark] = []
        self._first: list[Grant] = []
        self._members: dict[tuple[str, str], _Membership] = {}
        self._handed: dict[tuple[str, int], Grant] = {}
        self._asked: dict[tuple[str, int, str], _Privileges] = {}
        self._last: list[Grant] = []

    def remark(self, what: str, cure: str = "", *, blocks: bool = False) -> None:
        """Something to know, once."""
        remark = Remark(what, cure, blocks)
        if remark not in self.remarks:
            self.remarks.append(remark)

    def first(self, sql: str, why: str, *, held: bool) -> None:
        """A statement that comes before all others: it makes or changes the role itself."""
        self._add(self._first, Grant(sql, why, "needed", held, self.purpose))

    def last(self, sql: str, why: str, *, held: bool, kind: GrantKind = "needed") -> None:
        """A statement that comes after all rights on what there is."""
        self._add(self._last, Grant(sql, why, kind, held, self.purpose))

    @staticmethod
    def _add(grants: list[Grant], grant: Grant) -> None:
        if all(each.sql != grant.sql for each in grants):
            grants.append(grant)

    def member(
        self, of: str, role: str, why: str, *, inherit: bool = False, set_role: bool = False, optional: bool = False
    ) -> None:
        """A role is to be a member of another one.

        Args:
            of: the other one.
            role: the role.
            why: what for.
            inherit: whether it is to have what the other one has.
            set_role: whether it is to become the other one.
            optional: whether it can do without.
        """
        if of == role:
            return
        other = self.standing.role(of)
        if other is None:
            self.remark(f"The role {of!r}, which a revision acts as or names, does not exist.", blocks=True)
            return
        if other.superuser:
            self.remark(
                f"{why[:1].upper()}{why[1:]}: that takes {of!r}, a superuser, which is granted to nobody here.",
                "Let a role of its own, without superuser, do that; or let an administrator run this revision.",
                blocks=True,
            )
            return
        found = self._members.get((of, role))
        if found is None:
            kind: GrantKind = "optional" if optional else "needed"
            found = self._members[(of, role)] = _Membership(why=why, kind=kind, purpose=self.purpose)
        found.inherit, found.set_role = found.inherit or inherit, found.set_role or set_role
        if not optional:
            found.kind = "needed"

    def own(self, found: Found, role: str, why: str, *, optional: bool = False) -> None:
        """A role is to be taken for the owner of an object: as a member of the owner; of a superuser's, by becoming it.

        Args:
            found: the object.
            role: the role.
            why: what for.
            optional: whether what there is now can do without.
        """
        found = self.standing.owned_with(found)
        owner = self.standing.owner(found)
        if owner == role or owner in self.inherited(role) or (role, found.oid) in self._handed:
            return
        known = self.standing.role(owner)
        if owner == DATABASE_OWNER:
            self.remark(
                f"{found.address.type} {found.address.identity} belongs to whoever owns the database: {why}.",
                f"An administrator does this, or makes {role!r} its owner.",
                blocks=True,
            )
        elif known is None or not known.superuser:
            self.member(owner, role, why, inherit=True, optional=optional)
        elif found.address.type in NOT_HANDED_OVER and not optional:
            self.remark(
                f"{found.address.type} {found.address.identity} belongs to the superuser {owner!r}: {why}.",
                "An administrator does this by hand, or leaves it out of the revision.",
                blocks=True,
            )
        else:
            named = self.standing.known_again(found) or found
            sql = self.statements.hand_over(named, role)
            kind: GrantKind = "optional" if optional else "needed"
            self._handed[(role, found.oid)] = Grant(sql, why, kind, False, self.purpose)

    def privilege(self, found: Found, privilege: str, role: str, why: str) -> None:
        """A role is to have a privilege on an object.

        Args:
            found: the object.
            privilege: the privilege.
            role: the role.
            why: what for.
        """
        key = (found.kind.catalog, found.oid, role)
        asked = self._asked.setdefault(key, _Privileges(found, why=why, purpose=self.purpose))
        asked.wanted.setdefault(privilege)

    def grants(self) -> tuple[Grant, ...]:
        """The statements, in the order in which they are to be run."""
        members = [self._as_grant(of, role, each) for (of, role), each in self._members.items()]
        return (*self._first, *members, *self._handed.values(), *self._on_objects(), *self._last)

    def _as_grant(self, of: str, role: str, wanted: _Membership) -> Grant:
        standing = self.standing
        held = (
            standing.role(role) is not None
            and (not wanted.inherit or standing.is_member(role, of, "USAGE"))
            and (not wanted.set_role or standing.is_member(role, of, "SET"))
        )
        sql = self.statements.member(of, role, inherit=wanted.inherit, set_role=wanted.set_role)
        return Grant(sql, wanted.why, wanted.kind, held, wanted.purpose)

    def _on_objects(self) -> list[Grant]:
        """The privileges, those that are alike in one statement."""
        alike: dict[tuple[object, ...], list[Found]] = {}
        for (_, _, role), asked in self._asked.items():
            ordered = privileges_of(asked.found.kind, asked.found.address.type, self.standing.major)[::-1]
            wanted = sorted(asked.wanted, key=ordered.index)
            lacking = tuple(each for each in wanted if not self.covered(asked.found, each, role))
            if lacking:
                named = self.standing.known_again(asked.found) or asked.found
                keyword = keyword_of(named.kind, named.address.type)
                place = named.address.names[0] if named.kind is RELATION else ""
                alike.setdefault((keyword, place, lacking, role, asked.why, asked.purpose), []).append(named)
        return [self._granted(found, *key[2:]) for key, found in alike.items()]  # type: ignore[arg-type]  # as above

    def _granted(self, found: list[Found], lacking: tuple[str, ...], role: str, why: str, purpose: Purpose) -> Grant:
        exists = self.standing.role(role) is not None
        held = exists and all(self.standing.has(role, each, right) for each in found for right in lacking)
        return Grant(self.statements.on(found, lacking, role), why, "needed", held, purpose)

    def covered(self, found: Found, privilege: str, role: str) -> bool:
        """Whether a role has a privilege through what was gathered so far, or as everybody has it."""
        if self.standing.has(PUBLIC, found, privilege) or self.standing.owner(found) == role:
            return True
        if found.kind is RELATION and self._is_handed(role, found):
            return True
        return any(self.standing.has(of, found, privilege) for of in self.inherited(role))

    def _is_handed(self, role: str, found: Found) -> bool:
        grant = self._handed.get((role, self.standing.owned_with(found).oid))
        return grant is not None and grant.kind == "needed"

    def inherited(self, role: str) -> list[str]:
        """The roles whose rights a role needs to have."""
        return [
            of
            for (of, member), each in self._members.items()
            if member == role and each.inherit and each.kind == "needed"
        ]

    def settle(self, name: str, role: Role | None, *, logs_in: bool = True) -> None:
        """What the role itself has to be, once it is known what it is for.

        Args:
            name: its name.
            role: what it is; None where there is none.
            logs_in: whether it logs in itself, rather than members of it that come and go.
        """
        if role is None:
            why = "the role itself; its password is set apart, as with \\password in psql"
            self._first.insert(0, Grant(self.statements.create_role(name), why, purpose=self.purpose))
            return
        if not role.can_login and logs_in:
            self.first(self.statements.attribute(name, "LOGIN"), "it logs in", held=False)
        if self.inherited(name) and not role.inherits and self.standing.major < INHERIT_OPTION_SINCE:
            self.first(self.statements.attribute(name, "INHERIT"), "it has what its roles have", held=False)
