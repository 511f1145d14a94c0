"""What is approved when a plan is: where it runs, from what state, and what it sends. Its digest names exactly that.

Whatever judges a plan (findings, drift, a rehearsal) is no part of it: that is looked at again when it is run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.planning.model import Plan, Rendered, Statement, Step
from erm_alembic.planning.read_plan import ReadPlan
from erm_alembic.planning.request import Direction, Request
from erm_alembic.postgres.text.passwords import without_passwords

__all__ = ["StatementTerms", "StepTerms", "Terms", "plan_digest", "terms_of"]


@dataclass(frozen=True)
class StatementTerms:
    """One statement.

    Args:
        sql: its text with its placeholders; passwords are hidden, but in one that is only compared.
        autocommit: whether it runs outside a transaction.
        parameter_sets: how many sets of parameters are sent with it.
        read: whether only its rows are wanted: it is sent as often as the revision likes.
        line: the line that sends it, for messages; not approved, as it is no part of what is done.
        path: the SQL script that it stands in, for messages.
        sealed: what the whole text is known by where something of it is hidden; None where nothing is.
        whole: the whole text, for comparing; None where only the file of a plan is there, which does not have it.
    """

    sql: str
    autocommit: bool = False
    parameter_sets: int = 0
    read: bool = False
    line: int | None = None
    path: str | None = None

    sealed: str | None = None
    whole: str | None = field(default=None, repr=False, compare=False)

    @property
    def sent(self) -> tuple[Any, ...]:
        """What of it is approved."""
        told = self.sql, self.autocommit, self.parameter_sets
        return told if self.sealed is None else (*told, self.sealed)

    def allows(self, found: StatementTerms) -> bool:
        """Whether this one, which was approved, has the text of one that is there now, what is hidden included.

        Args:
            found: the one that is there; its whole text is known.
        """
        text = found.sql if found.whole is None else found.whole
        return self.sql == text if self.sealed is None else self.sealed in (found.sealed, seal(text))

    @classmethod
    def of(cls, statement: Statement) -> StatementTerms:
        """The terms of a plan's statement."""
        return cls.told(
            statement.sql,
            autocommit=statement.autocommit,
            parameter_sets=statement.parameter_sets,
            read=statement.read,
            line=statement.line,
            path=statement.path,
        )

    @classmethod
    def told(cls, sql: str, **members: Any) -> StatementTerms:
        """The terms of a statement whose text may be shown then.

        Args:
            sql: the whole text.
            **members: what else is known of it.
        """
        shown = without_passwords(sql)
        return cls(shown, sealed=None if shown == sql else seal(sql), whole=sql, **members)


@lru_cache(4096)
def seal(sql: str) -> str:
    """What a text is known by that must not be read: dear to compute, so that a password in it is not guessed in a day.

    Args:
        sql: the whole text, which is the salt of the password in it.
    """
    # 4 MiB and some 10 ms each; what hides something is rare in a plan.
    return hashlib.scrypt(sql.encode("utf-8", "surrogatepass"), salt=b"erm plan", n=2**12, r=8, p=1, dklen=32).hex()


@dataclass(frozen=True)
class StepTerms:
    """One revision in the plan's direction.

    Args:
        revision: its id.
        path: its file, for messages.
        source_hash: SHA-256 of its file.
        rendered: whether its statements could all be known.
        certain: how many of them hold whatever the database answers; None for all.
        statements: what it sends.
    """

    revision: str
    path: str
    source_hash: str
    rendered: Rendered = "full"
    certain: int | None = None
    statements: tuple[StatementTerms, ...] = ()

    @classmethod
    def of(cls, step: Step) -> StepTerms:
        """The terms of a plan's step."""
        return cls(
            revision=step.revision,
            path=step.path,
            source_hash=step.source_hash,
            rendered=step.rendered,
            certain=step.certain,
            statements=tuple(map(StatementTerms.of, step.statements)),
        )

    def place(self, statement: StatementTerms | None) -> str:
        """Where a statement stands, as `file:line`."""
        if statement is None or statement.line is None:
            return self.path
        return f"{statement.path or self.path}:{statement.line}"


@dataclass(frozen=True)
class Terms:
    """What is approved.

    Args:
        environment: the profile.
        system: the cluster's identifier; None where the role may not read it.
        oid: the database's number in it; None where nobody asked.
        database: the database's name.
        address: the database's address without its password: what identifies it where `system` does not, whoever logs
            in there.
        version_table: Alembic's version table with its schema: whose revisions these are.
        schema: where a name without a schema goes.
        direction: up or down.
        to: how far, as it was asked for; None for `steps`.
        steps_asked: how many revisions a rollback was to take back.
        current: the revisions recorded in the database.
        steps: what runs, in order.
        catalog: the fingerprint of the database's schema; None where it was not read.
        role: as whom statements are sent; None where nobody asked.
    """

    environment: str
    system: str | None
    oid: int | None
    database: str | None
    address: str
    version_table: str | None
    schema: str | None
    direction: Direction
    to: str | None
    steps_asked: int
    current: tuple[str, ...]
    steps: tuple[StepTerms, ...]
    catalog: str | None
    role: str | None

    @property
    def request(self) -> Request:
        """What was asked for."""
        return Request(self.direction, self.to, self.steps_asked)

    @property
    def place(self) -> str:
        """The database's address without who logs in there."""
        try:
            return DatabaseUrl.parse(self.address).with_parameters(user="", password="").dsn()
        except ConfigurationError:  # one of an embedded server, which logs in as itself
            return self.address

    def digest(self) -> str:
        """SHA-256 of all of it, hexadecimal.

        Parameter values are not in it, as they are in no plan.
        """
        canonical = json.dumps(self._canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def _canonical(self) -> Mapping[str, Any]:
        known = self.system is not None
        target = [self.system, self.oid] if known else [None, self.oid, self.database, self.place]
        return {
            "target": target,
            "environment": self.environment,
            "place": [self.version_table, self.schema],
            "role": self.role,
            "request": [self.direction, self.to, self.steps_asked],
            "current": sorted(self.current),
            "pending": [_canonical_step(step) for step in self.steps],
            "catalog": self.catalog,
        }


def _canonical_step(step: StepTerms) -> list[Any]:
    # What is only read may be read again, by a newer SQLAlchemy in other words: nothing of it is done to the database.
    sent = [list(statement.sent) for statement in step.statements if not statement.read]
    return [step.revision, step.source_hash, step.rendered, step.certain, sent]


def terms_of(plan: Plan) -> Terms:
    """What is approved with a plan."""
    basis = plan.basis
    request = plan.request
    return Terms(
        environment=plan.environment,
        system=basis.identity.system if basis else None,
        oid=basis.identity.oid if basis else None,
        database=basis.identity.name if basis else None,
        address=plan.database_url,
        version_table=basis.version_table if basis else None,
        schema=basis.schema if basis else None,
        direction=plan.direction,
        to=request.to if request else None,
        steps_asked=request.count if request else 1,
        current=plan.current,
        steps=tuple(map(StepTerms.of, plan.steps)),
        catalog=basis.catalog if basis else None,
        role=basis.role if basis else None,
    )


def plan_digest(plan: Plan) -> str:
    """SHA-256 of what is approved with a plan, hexadecimal: equal digests mean the same work on the same state.

    Target identity, environment, role, direction, how far, current revisions, the files and statements of each
    revision, and the fingerprint of the database's schema are in it. Parameter values are not, as they are in no plan:
    with equal digests, the data written may still differ. Findings and drift judge the plan and are no part of what
    would run.

    Args:
        plan: the plan; one that was read back from its JSON says its own.
    """
    return plan.digest if isinstance(plan, ReadPlan) else terms_of(plan).digest()
