"""The words for what failed: one line, without values, passwords and what no database can keep."""

from __future__ import annotations

from erm_alembic.config.redaction import register_secret
from erm_alembic.execute.failure import describe_failure


def test_the_first_line_only() -> None:
    """Further lines of an exception quote rows and statements; a NUL cannot be kept in a ledger."""
    assert describe_failure(ValueError("odd\x00 value\nDETAIL: Failing row contains (ann)")) == "ValueError: odd value"
    assert describe_failure(KeyError()) == "KeyError: (no message)"


def test_values_are_masked_wherever_they_stand() -> None:
    """The values of parameters are masked, nested ones too and the longer ones first."""
    parameters = [{"name": "ann", "rows": [("ann@example.org", 12345), None, True]}]
    error = ValueError("ann@example.org, ann, 12345, None and True")
    assert describe_failure(error, parameters) == "ValueError: ?, ?, ?, None and True"


def test_secrets_are_masked() -> None:
    """A password that this process knows is never in the words."""
    register_secret("correct-horse-7")
    assert (
        describe_failure(RuntimeError("postgresql://app:correct-horse-7@db")) == "RuntimeError: postgresql://app:***@db"
    )
