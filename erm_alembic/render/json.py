"""A plan, and how it ended, as one JSON object: what bots and pipelines read.

Keys are added, never renamed; docs/plan.schema.json says what each of them holds. Parameter values (personal
data) and passwords are in none of them. The text is ASCII: no name in a database can act on a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.findings import Finding
from erm_alembic.planning.approved_plan import SCHEMA_VERSION
from erm_alembic.planning.model import Outcome, Plan, Statement, Step
from erm_alembic.planning.rehearsal import Observed
from erm_alembic.planning.terms import plan_digest
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.presentation import Presentation

__all__ = [
    "NEVER_SERIALISED",
    "OBSERVED",
    "dump",
    "failure",
    "plain_value",
    "plan_document",
    "render_json",
    "report",
    "result_document",
    "result_line",
]

# Values stand in `literal`; it exists for `--sql` and must never be serialised. What was observed of a statement stands
# beside the statement's own members.
NEVER_SERIALISED = frozenset((Statement, name) for name in ("literal", "observed", "schemas", "opaque"))
OBSERVED = tuple(field.name for field in fields(Observed))

# Free texts that come from a driver, a server or a revision file and could quote a connection string.
_REDACTED_KEYS = frozenset({"error", "message", "help", "command", "output", "overridden", "reason", "effect", "cure"})


def plain_value(value: Any) -> Any:
    """A frozen dataclass, tuple or scalar as what `json.dumps` takes; secrets in error texts are hidden.

    Args:
        value: a value of the plan's model.

    Example:
        >>> plain_value(Statement("SELECT 1", line=3, literal="SELECT 1"))["line"]
        3
    """
    if is_dataclass(value) and not isinstance(value, type):
        kept = [field.name for field in fields(value) if (type(value), field.name) not in NEVER_SERIALISED]
        members = {name: _member(name, getattr(value, name)) for name in kept}
        if isinstance(value, Statement):
            members["sql"] = without_passwords(value.sql)
            members |= _observed(value.observed)
        return members
    if isinstance(value, tuple | list):
        return [plain_value(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def _observed(observed: Observed | None) -> dict[str, Any]:
    """What a rehearsal saw of a statement; null throughout where it saw nothing, which is not the same as no lock."""
    return dict.fromkeys(OBSERVED) if observed is None else dict(plain_value(observed))


def _member(name: str, value: Any) -> Any:
    if name in _REDACTED_KEYS and isinstance(value, str):
        return redact(value)
    return plain_value(value)


def _step(step: Step) -> dict[str, Any]:
    """A step under the contract's key names (`down_revision` is a list: a merge has several, a base none)."""
    members: dict[str, Any] = plain_value(step)
    statements = members.pop("statements")
    document = {"revision": members.pop("revision"), "down_revision": members.pop("down_revisions")}
    return {**document, **members, "statements": statements}


def plan_document(plan: Plan, outcome: Outcome | None = None) -> dict[str, Any]:
    """The plan under the keys of the contract, ready for `json.dumps`.

    Args:
        plan: the plan.
        outcome: how its apply or rollback ended; None for a plan that was only computed.
    """
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "environment": plan.environment,
        "scope": None,  # a key of the contract: no plan is about a part of a database
        "database": {"url": plan.database_url, "server_version": plan.server_version},
        "direction": plan.direction,
        "current": list(plan.current),
        "heads": list(plan.heads),
        "pending": [_step(step) for step in plan.steps],
        "cannot_run": plan.cannot_run,
        "half_done": plain_value(plan.half_done),
        "drift": plain_value(plan.drift),
        "comparisons": plain_value(plan.comparisons),
        "left_out": plain_value(plan.left_out),
        "findings": plain_value(plan.findings),
        "ignored": plain_value(plan.ignored),
        "overrides": plain_value(plan.overrides),
        "data_loss": plain_value(plan.data_loss),
        "tables": plain_value(plan.tables),
        "backup": plain_value(plan.backup),
        "exempted": plan.exempted,
        "blocked": plan.blocked,
        "rehearsal": plain_value(plan.rehearsal),
        "digest": plan_digest(plan),
    }
    if outcome is not None:
        document["outcome"] = plain_value(outcome)
    return document


def dump(document: Any) -> str:
    """A document as the text that erm prints: indented, ASCII, with one newline at its end."""
    return _without_command(json.dumps(document, indent=2, ensure_ascii=True)) + "\n"


def _without_command(text: str) -> str:
    """The same JSON, without what the log of a GitHub workflow takes for a command wherever it stands."""
    return text.replace("##[", "##\\u005b")


def result_document(members: Mapping[str, Any]) -> str:
    """What a command has found as the one JSON object that it prints; keys are added, never renamed.

    Args:
        members: the object's members, beside the version of their schema.

    Example:
        >>> json.loads(result_document({"runs": []}))
        {'schema_version': 1, 'runs': []}
    """
    return dump({"schema_version": SCHEMA_VERSION, **members})


def result_line(members: Mapping[str, Any]) -> str:
    """The same on one line, for a command that goes on and prints another one after it.

    Args:
        members: the object's members, beside the version of their schema.

    Example:
        >>> print(result_line({"runs": []}), end="")
        {"schema_version": 1, "runs": []}
    """
    return _without_command(json.dumps({"schema_version": SCHEMA_VERSION, **members}, ensure_ascii=True)) + "\n"


def failure(error: ErmError, how: Presentation) -> str:
    """An error as the one JSON object of a command that has no result: `error` with its texts and its exit code.

    Args:
        error: the error; secrets in its texts are hidden.
        how: where the files stand.

    Example:
        >>> error = ErmError("The lock is held.", effect="", cure="Wait.")
        >>> json.loads(failure(error, Presentation()))["error"]["exit_code"]
        1
    """
    told = {"what": redact(error.what), "effect": redact(error.effect), "cure": redact(error.cure)}
    return result_document({"error": {**told, "exit_code": error.exit_code}})


def render_json(plan: Plan, outcome: Outcome | None = None) -> str:
    """The plan, and how it ended, as JSON.

    Args:
        plan: the plan.
        outcome: how its apply or rollback ended, or None.

    Example:
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> json.loads(render_json(plan))["blocked"]
        False
    """
    return dump(plan_document(plan, outcome))


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """A plan as JSON, or findings by themselves.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: how to show it; JSON is always the same.
    """
    return result_document({"findings": plain_value(findings)}) if plan is None else render_json(plan, outcome)
