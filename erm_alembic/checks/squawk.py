"""squawk: its rules on the statements of a plan, each settled by what is known of the target and of the rehearsal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.squawk_rules import BLOCKING, BREAKS_CLIENTS, FAMILY, TASTE, TOLD_OTHERWISE, of_squawk
from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.surroundings import is_small
from erm_alembic.postgres.text.lexer import statement_kinds

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.checks.squawk_program import Violation
    from erm_alembic.planning.model import Statement

    _Said = tuple[Violation, ReadStatement, int]

__all__ = ["CHECK"]

RULE = FAMILY
# A block for so long is noticed by users: it is confirmed. One that ends before the other is not noticed by anybody.
CONFIRMED_MS, UNNOTICED_MS = 1_000, 100
# Said of a statement by a rule that knows it better.
SAID_BETTER = {"constraint-missing-not-valid": ("adding-foreign-key-constraint", "disallowed-unique-constraint")}
# It cannot name what is wrong with a comment of a revision better than that.
NOT_SAID = frozenset({"unused-ignore"})
OF_ROWS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH", "SELECT"})
VERSION = re.compile(r"\d+(?:\.\d+)?")


def _check(context: CheckContext) -> Iterator[Finding]:
    if not context.statements or context.plan is None or context.plan.direction == "downgrade":
        return
    # A plan of a database that is up to date does without what runs a program.
    from erm_alembic.checks.squawk_program import SquawkUnavailable

    try:
        yield from _said(context)
    except SquawkUnavailable as unavailable:
        yield Finding(
            RULE,
            "info",
            f"The statements were not read by squawk: {unavailable}.",
            "Without it nothing is said of what only its rules tell. `safety: {rules: {squawk: off}}` in erm.yaml says "
            "that this is meant.",
        )


def _said(context: CheckContext) -> Iterator[Finding]:
    from erm_alembic.checks.squawk_program import ask_squawk, read_configuration
    from erm_alembic.checks.squawk_text import PlanText, plan_text

    assert context.plan is not None
    settings = context.settings
    folder = settings.project_dir if settings is not None else None
    if folder is None:
        return
    configuration = read_configuration(folder)
    asked = _asked_for(context)
    version = VERSION.match(context.plan.server_version)

    def ask(text: PlanText) -> list[_Said]:
        said = ask_squawk(text.sql, folder, configuration, version.group() if version else "", asked)
        placed = ((violation, text.at(violation.line)) for violation in said)
        return [(violation, *place) for violation, place in placed if place is not None]

    statements = [each for each in context.statements if not _left_out(each, configuration.excluded_paths)]
    found = ask(plan_text(statements))
    # One statement that it cannot read hides all the others from it.
    for _ in range(3):
        unreadable = {id(each) for violation, each, _ in found if violation.unreadable}
        if not unreadable:
            break
        for each in (each for each in statements if id(each) in unreadable):
            if not statement_kinds(each.statement.sql) <= OF_ROWS:  # of those it has next to nothing to say
                yield _unread(each)
        statements = [each for each in statements if id(each) not in unreadable]
        found = ask(plan_text(statements))
    yield from _settled(found, asked | configuration.included)


def _asked_for(context: CheckContext) -> frozenset[str]:
    """The rules that safety.rules names, and does not turn off."""
    rules = context.settings.safety.rules if context.settings is not None else {}
    named = ((of_squawk(rule), level) for rule, level in rules.items())
    return frozenset(name for name, level in named if name is not None and level != "off")


def _left_out(each: ReadStatement, patterns: tuple[str, ...]) -> bool:
    path = each.statement.path or each.step.path
    return any(fnmatch(path, pattern) or fnmatch(path, f"*/{pattern}") for pattern in patterns)


def _settled(found: list[_Said], wanted: frozenset[str]) -> Iterator[Finding]:
    rules_at: dict[int, set[str]] = {}
    for violation, each, _ in found:
        rules_at.setdefault(id(each), set()).add(violation.rule)
    told: set[Finding] = set()
    for violation, each, below in found:
        if not rules_at[id(each)].isdisjoint(SAID_BETTER.get(violation.rule, ())):
            continue
        severity = _severity(violation.rule, each, wanted)
        if severity is None or violation.rule in NOT_SAID:
            continue
        message = _message(violation.message, severity, each.statement)
        finding = each.finding(f"{FAMILY}/{violation.rule}", severity, message, violation.help)
        if each.statement.path is not None and finding.line is not None:
            finding = replace(finding, line=finding.line + below)
        if finding not in told:  # a loop sends one text again and again
            told.add(finding)
            yield finding


def _severity(rule: str, each: ReadStatement, wanted: frozenset[str]) -> Severity | None:
    """How loud a rule is about a statement; None where what is known settles it."""
    if rule in wanted:
        return "warning"
    if rule in TASTE or rule in TOLD_OTHERWISE:
        return None
    there_before = each.touched
    if each.names_tables and not there_before:
        return None  # the plan itself makes them
    if rule in BREAKS_CLIENTS and each.around.mapped is not None:
        return None  # drop-of-mapped-column
    if rule not in BLOCKING:
        return "warning"
    if there_before and all(is_small(table) for table in there_before):
        return None
    estimate = each.statement.estimate
    if estimate is None:
        return "warning"
    if estimate.blocks == "nothing" or (estimate.high_ms is not None and estimate.high_ms < UNNOTICED_MS):
        return None
    return "error" if estimate.low_ms >= CONFIRMED_MS else "warning"


def _message(message: str, severity: Severity, statement: Statement) -> str:
    estimate = statement.estimate
    if severity != "error" or estimate is None:
        return message
    relations = ", ".join(estimate.relations)
    return f"{message} The rehearsal confirms it: {estimate.blocks} of {relations} wait ({estimate.basis})."


def _unread(each: ReadStatement) -> Finding:
    return each.finding(
        RULE,
        "info",
        "squawk cannot read this statement: none of its rules was tried on it.",
        "PostgreSQL decides whether it is right; nothing is to be done.",
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
