"""What a checker is told to let pass says why: in the package, whoever reads a line need not guess."""

from __future__ import annotations

import re

from tests.support.cli import REPOSITORY

LET_PASS = re.compile(r"#\s*(?:type: ignore|noqa)\b")
WITH_REASON = re.compile(r"# type: ignore\[[a-z, -]+\]  # \S|# noqa: [A-Z0-9, ]+ - \S")


def test_every_line_that_a_checker_lets_pass_says_why() -> None:
    """A code for the checker, then the reason."""
    silent = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in sorted((REPOSITORY / "erm_alembic").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if LET_PASS.search(line) and not WITH_REASON.search(line)
    ]
    assert silent == []
