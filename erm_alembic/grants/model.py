"""What a role needs, as values: the statements that give it, and what no statement of an administrator's gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["PURPOSES", "Grant", "GrantKind", "GrantReport", "Purpose", "Remark", "Trial"]

Purpose = Literal["migrate", "smoke", "plan", "observe", "backup", "application"]
PURPOSES: tuple[Purpose, ...] = ("migrate", "smoke", "plan", "observe", "backup", "application")

GrantKind = Literal["needed", "for-others", "optional"]


@dataclass(frozen=True)
class Grant:
    """One statement for an administrator.

    Args:
        sql: the statement, without a semicolon, its names quoted.
        why: what it is for, in a few words.
        kind: `needed` by the role itself; `for-others`, so that the application's roles go on as before; `optional`.
        held: whether the role has it already.
        purpose: what it is needed for.
    """

    sql: str
    why: str
    kind: GrantKind = "needed"
    held: bool = False
    purpose: Purpose = "migrate"


@dataclass(frozen=True)
class Remark:
    """What is to be known besides, and what only an administrator can do.

    Args:
        what: one sentence.
        cure: what to do about it; empty where there is nothing to do.
        blocks: whether a revision fails as long as nothing is done.
    """

    what: str
    cure: str = ""
    blocks: bool = False


@dataclass(frozen=True)
class Trial:
    """How the revisions were tried as a role without rights.

    Args:
        status: `done`; `partial` where a revision could not be tried; `unknown` where there was no shadow for it.
        reason: why it is not `done`.
        upgraded: how many revisions went up.
        downgraded: how many were taken back.
    """

    status: Literal["done", "partial", "unknown"]
    reason: str | None = None
    upgraded: int = 0
    downgraded: int = 0


@dataclass(frozen=True)
class GrantReport:
    """The least that a role needs for some purposes.

    Args:
        environment: the profile.
        database_url: the database's address without its password.
        server_version: the server's version.
        database: the database's name.
        role: the role.
        acts_as: the role that revisions are run as: `migrations.role`, or the role itself.
        purposes: what it is for.
        grants: the statements, in the order in which they are to be run.
        remarks: what is to be known besides.
        trial: how the revisions were tried; None where no purpose asks for that.

    Example:
        >>> GrantReport("prod", "postgresql://db/app", "18.1", "app", "migrator", "migrator", ("plan",)).complete
        True
    """

    environment: str
    database_url: str
    server_version: str
    database: str
    role: str
    acts_as: str
    purposes: tuple[Purpose, ...]
    grants: tuple[Grant, ...] = ()
    remarks: tuple[Remark, ...] = ()
    trial: Trial | None = field(default=None)

    @property
    def missing(self) -> tuple[Grant, ...]:
        """The statements that are needed and have not been run."""
        return tuple(grant for grant in self.grants if grant.kind == "needed" and not grant.held)

    @property
    def complete(self) -> bool:
        """Whether the role has what it needs, as far as statements give it."""
        return not self.missing
