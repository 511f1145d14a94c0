"""Everything that may object to a plan: one file a check, and the registry is the tuple below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from erm_alembic.checks import (
    data_and_schema_change,
    data_loss,
    downgrade_differs,
    downgrade_failed,
    downgrade_impossible,
    downgrade_lossy,
    drop_of_mapped_column,
    edited_revision,
    enum_value_used_at_once,
    failed_before,
    foreign_history,
    foreign_key_without_index,
    half_done_revision,
    ignore_without_reason,
    inserted_revision,
    irreversible_revision,
    long_transaction,
    lost_version,
    missing_downgrade,
    missing_revision,
    mixed_autocommit_block,
    models_drift,
    no_backup,
    no_lock_timeout,
    not_rehearsed,
    off_the_current_heads,
    other_environment,
    plaintext_password,
    rehearsal_failed,
    schema_drift,
    set_not_null_without_check,
    several_heads,
    squawk,
    unknown_ignore,
    upgrade_fails_on_rows,
    work_after_exclusive_lock,
)
from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.rules import is_rule, nearest_rule
from erm_alembic.errors import ConfigurationError
from erm_alembic.findings import Finding, Severity

__all__ = ["CHECKS", "Check", "CheckContext", "run_checks", "verify_rules"]

CHECKS: tuple[Check, ...] = (
    missing_downgrade.CHECK,
    missing_revision.CHECK,
    lost_version.CHECK,
    foreign_history.CHECK,
    edited_revision.CHECK,
    inserted_revision.CHECK,
    schema_drift.CHECK,
    models_drift.CHECK,
    half_done_revision.CHECK,
    failed_before.CHECK,
    other_environment.CHECK,
    plaintext_password.CHECK,
    several_heads.CHECK,
    not_rehearsed.CHECK,
    rehearsal_failed.CHECK,
    upgrade_fails_on_rows.CHECK,
    downgrade_failed.CHECK,
    downgrade_differs.CHECK,
    downgrade_impossible.CHECK,
    downgrade_lossy.CHECK,
    irreversible_revision.CHECK,
    data_loss.CHECK,
    no_backup.CHECK,
    off_the_current_heads.CHECK,
    squawk.CHECK,
    drop_of_mapped_column.CHECK,
    work_after_exclusive_lock.CHECK,
    data_and_schema_change.CHECK,
    mixed_autocommit_block.CHECK,
    long_transaction.CHECK,
    set_not_null_without_check.CHECK,
    foreign_key_without_index.CHECK,
    enum_value_used_at_once.CHECK,
    no_lock_timeout.CHECK,
    ignore_without_reason.CHECK,
    unknown_ignore.CHECK,
)


def run_checks(
    context: CheckContext, rules: Mapping[str, str], checks: tuple[Check, ...] = CHECKS
) -> tuple[Finding, ...]:
    """Run the checks, each as loud as `safety.rules` wants it.

    Args:
        context: what the checks may look at.
        rules: `safety.rules`: `error`, `warning` or `off` by rule id.
        checks: the checks to run; all of them unless a command runs one alone.

    Raises:
        ConfigurationError: `rules` names a rule that does not exist.

    Example:
        >>> run_checks(CheckContext(), {"several-heads": "off"})
        ()
    """
    verify_rules(rules, context)
    findings: list[Finding] = []
    for check in checks:
        if rules.get(check.rule) != "off":
            said = (_as_loud_as(rules, finding, check) for finding in check.run(context))
            findings += (finding for finding in said if finding is not None)
    return tuple(findings)


def _as_loud_as(rules: Mapping[str, str], finding: Finding, check: Check) -> Finding | None:
    """What is only to know stays that: no rule makes it louder; nor what a check has graded by itself."""
    level = rules.get(finding.rule, rules.get(check.rule))
    if level == "off":
        return None
    if level is None or finding.severity == "info" or (check.graded and level == "error"):
        return finding
    return replace(finding, severity=cast(Severity, level))


def verify_rules(rules: Mapping[str, str], context: CheckContext | None = None) -> None:
    """Make sure that every key of `safety.rules` is a rule: a mistyped one would silence nothing, and say nothing.

    Args:
        rules: `safety.rules`.
        context: gives the place of a key in erm.yaml, where it has settings.

    Raises:
        ConfigurationError: for all the unknown rules together, each with the nearest known one.
    """
    unknown = [rule for rule in rules if not is_rule(rule)]
    if not unknown:
        return
    origins = context.settings.origins if context is not None and context.settings is not None else {}
    lines = []
    for rule in unknown:
        origin = origins.get(f"safety.rules.{rule}", "erm.yaml")
        nearest = nearest_rule(rule)
        meant = f"; did you mean {nearest}?" if nearest else ""
        lines.append(f"{origin}: safety.rules.{rule} is not a rule{meant}")
    raise ConfigurationError(
        "\n".join(lines),
        effect="Nothing was checked or changed.",
        cure="Correct the name: `erm check --list` shows the rules.",
    )
