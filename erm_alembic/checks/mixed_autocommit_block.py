"""mixed-autocommit-block: a revision works outside a transaction and does other things as well."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.postgres.text.nature import nature

__all__ = ["CHECK"]

RULE = "mixed-autocommit-block"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    for _, group in groupby(context.statements, key=lambda each: id(each.step)):
        working = [each for each in group if not nature(each.statement.sql).again]
        outside = [each for each in working if each.statement.autocommit]
        others = [each for each in working if not each.statement.autocommit]
        if not outside or not others:
            continue
        other = others[0].statement.line
        beside = "" if other is None else f" (line {other})"
        yield outside[0].finding(
            RULE,
            "warning",
            f"Revision {outside[0].step.revision} works outside a transaction here and has other statements{beside}: "
            "autocommit_block() commits what came before it, so that a failure leaves the revision half done.",
            "Let the autocommit_block() stand alone in a revision of its own.",
        )


CHECK = Check(RULE, "warning", _check, ignorable=True)
