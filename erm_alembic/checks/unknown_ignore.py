"""unknown-ignore: a comment that would let a finding pass names no rule of which it may."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.rules import is_ignorable, is_rule, nearest_rule
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.ignores import Ignore, ignores_of

__all__ = ["CHECK"]

RULE = "unknown-ignore"


def _check(context: CheckContext) -> Iterator[Finding]:
    for revision in () if context.going_down else context.revisions:
        for ignore in ignores_of(revision):
            for message, help_ in _wrong(ignore):
                yield Finding(RULE, "warning", message, help_, revision=revision.id, path=ignore.path, line=ignore.line)


def _wrong(ignore: Ignore) -> Iterator[tuple[str, str]]:
    if not ignore.rules:
        yield "A comment ignores nothing: it names no rule.", "Write `erm: ignore[RULE] REASON`."
    for rule in ignore.rules:
        if not is_rule(rule):
            near = nearest_rule(rule)
            meant = f"Did you mean {near}? " if near else ""
            yield (
                f"A comment ignores {rule}, which is no rule: nothing is ignored.",
                f"{meant}`erm check --list` shows the rules.",
            )
        elif not is_ignorable(rule):
            yield (
                f"A comment ignores {rule}, which no comment can: it is not about what stands in a file.",
                f"`--override {rule} --reason TEXT` lets it pass once; `safety.rules` in erm.yaml makes it quieter.",
            )


CHECK = Check(RULE, "warning", _check, needs="files")
