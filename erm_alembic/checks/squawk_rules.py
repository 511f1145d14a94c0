"""squawk's rules, and what erm makes of each: told by a fact, a matter of taste, or said as squawk says it."""

from __future__ import annotations

__all__ = ["BLOCKING", "BREAKS_CLIENTS", "FAMILY", "OPT_IN", "RULES", "TASTE", "TOLD_OTHERWISE", "of_squawk"]

FAMILY = "squawk"

# They fear that a statement keeps the application waiting: how large the table is, or what was seen, settles that.
BLOCKING = frozenset(
    [
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-required-field",
        "adding-serial-primary-key-field",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "prefer-repack",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-partition-detach",
        "require-concurrent-reindex",
    ]
)

# They fear for an application that asks for what goes: what its models map settles that.
BREAKS_CLIENTS = frozenset({"ban-drop-column", "ban-drop-table", "renaming-column", "renaming-table"})

# How a team likes its schemas and statements: silent until safety.rules, or squawk's own file, asks for one by name.
TASTE = frozenset(
    [
        "ban-char-field",
        "prefer-bigint-over-int",
        "prefer-bigint-over-smallint",
        "prefer-identity",
        "prefer-robust-stmts",
        "prefer-text-field",
        "prefer-timestamp-tz",
        "require-enum-value-ordering",
    ]
)

# What squawk itself is silent about until somebody asks.
OPT_IN = frozenset(
    [
        "ban-add-column",
        "ban-add-composite-attribute",
        "ban-add-enum-value",
        "ban-alter-database-options",
        "ban-alter-extension",
        "ban-alter-function-options",
        "ban-alter-generated-expression",
        "ban-alter-policy-condition",
        "ban-alter-policy-roles",
        "ban-alter-role-options",
        "ban-alter-row-level-security",
        "ban-alter-sequence-values",
        "ban-alter-system-options",
        "ban-alter-view-options",
        "ban-create-policy",
        "ban-detach-inheritance",
        "ban-disable-trigger",
        "ban-drop-index",
        "ban-drop-policy",
        "ban-drop-trigger",
        "ban-new-write-restriction",
        "ban-replace-view-function",
        "ban-replica-identity",
        "ban-revoke",
        "ban-set-default",
        "require-table-schema",
    ]
)

# Facts of a run that erm sees for itself, and checks of its own that know more: by the rule that tells it instead.
TOLD_OTHERWISE = {
    "adding-not-nullable-field": "set-not-null-without-check",
    "ban-concurrent-index-creation-in-transaction": "the rehearsal, in which it fails",
    "ban-uncommitted-transaction": "the recording, which sees the transactions",
    "require-lock-timeout": "no-lock-timeout",
    "require-statement-timeout": "no-lock-timeout",
    "require-timeout-settings": "no-lock-timeout",
    "transaction-nesting": "the recording, which sees the transactions",
}

RULES = tuple(
    sorted(
        [
            *BLOCKING,
            *BREAKS_CLIENTS,
            *OPT_IN,
            *TASTE,
            *TOLD_OTHERWISE,
            "ban-alter-domain-with-add-constraint",
            "ban-alter-identity",
            "ban-create-domain-with-constraint",
            "ban-duplicate-column-assignments",
            "ban-drop-constraint",
            "ban-drop-database",
            "ban-drop-default",
            "ban-drop-domain",
            "ban-drop-extension",
            "ban-drop-function",
            "ban-drop-generated-expression",
            "ban-drop-not-null",
            "ban-drop-schema",
            "ban-drop-sequence",
            "ban-drop-type",
            "ban-drop-view",
            "ban-set-schema",
            "ban-truncate-cascade",
            "identifier-too-long",
            "renaming-object",
        ]
    )
)


def of_squawk(rule: str) -> str | None:
    """The name that squawk gives a rule of its family; None for any other rule.

    Args:
        rule: the rule as erm names it.

    Example:
        >>> of_squawk("squawk/ban-drop-column"), of_squawk("several-heads")
        ('ban-drop-column', None)
    """
    family, slash, name = rule.partition("/")
    return name if slash and family == FAMILY else None
