"""A plan as the script that a database administrator would run (`--sql`): the only output with values."""

from __future__ import annotations

from datetime import timedelta
from itertools import zip_longest

from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.postgres.limits import lock_timeout_lines
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.safe import one_line

__all__ = ["render_sql"]

# Stands where a script would otherwise record a revision as done whose statements it does not all have.
STOP = "DO $$ BEGIN RAISE EXCEPTION 'this revision is not complete here: run it with erm migrate'; END $$;"


def _comment(text: str) -> str:
    """A comment of one line: a message with a newline in it cannot become a statement."""
    return f"-- {one_line(text)}".rstrip()


def _terminated(sql: str) -> str:
    """The statement, ended by `;` on a line where a trailing `--` comment cannot swallow it."""
    text = sql.strip()
    if text.endswith(";") and "--" not in text.rsplit("\n", 1)[-1]:
        return text
    last_line = text.rsplit("\n", 1)[-1]
    return f"{text}\n;" if "--" in last_line else f"{text};"


def _whole(statement: Statement) -> str:
    return statement.sql if statement.literal is None else statement.literal


def _unknown_values(statement: Statement) -> bool:
    return statement.parameter_sets > 0 and statement.literal is None


def _statement(statement: Statement) -> list[str]:
    lines = []
    if _unknown_values(statement):
        sets = statement.parameter_sets
        lines.append(_comment(f"Needs its values first: {sets} {'set' if sets == 1 else 'sets'} of parameters."))
    whole = _whole(statement)
    shown = without_passwords(whole)
    if shown != whole:  # run as it stands, it would set another password
        lines += [_comment("Needs its password first, which is hidden here."), STOP]
    return [*lines, _terminated(shown)]


def _begin(lock_timeout: timedelta) -> list[str]:
    """The start of a transaction; psql has nothing of what apply sets to keep others from waiting behind it."""
    return ["BEGIN;", *lock_timeout_lines(lock_timeout)]


def _body(step: Step, version_statements: tuple[str, ...], begin: list[str]) -> list[str]:
    """The step's statements in order, inside BEGIN/COMMIT except for those that run outside a transaction."""
    lines: list[str] = []
    open_transaction = False
    for statement in step.statements:
        if statement.read:
            continue
        if statement.done:
            place = "" if statement.line is None else f" of line {statement.line}"
            lines.append(_comment(f"Done already, by an earlier run: the statement{place}."))
            continue
        if statement.autocommit and open_transaction:
            lines.append("COMMIT;")
        if not statement.autocommit and not open_transaction:
            lines += begin
        open_transaction = not statement.autocommit
        lines += _statement(statement)
    complete = step.rendered == "full"
    if not open_transaction and version_statements:
        lines += begin
        open_transaction = True
    lines += [] if complete else [STOP]
    lines += [_terminated(sql) for sql in version_statements]
    if open_transaction:
        lines.append("COMMIT;")
    return lines


def _step(step: Step, version_statements: tuple[str, ...], begin: list[str]) -> list[str]:
    lines = [
        _comment(f"{step.direction} {step.revision}: {step.message}"),
        _comment(step.path),
    ]
    if step.rendered == "partial":
        lines.append(_comment(f"NOT COMPLETE: {step.reason or 'not every statement could be recorded'}"))
        lines.append(STOP)
    return [*lines, *_body(step, version_statements, begin)]


def render_sql(plan: Plan, lock_timeout: timedelta = timedelta(0)) -> str:
    """The plan as a SQL script, with the statements on Alembic's version table after each revision.

    Args:
        plan: the plan. A statement with parameters and without its literal form keeps its placeholders, and a
            comment says so.
        lock_timeout: how long a statement in a transaction may wait for a lock; zero leaves that to the session.

    Example:
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> print(render_sql(plan).splitlines()[-1])
        -- Nothing to run.
    """
    blocks = [
        [
            _comment(f"erm: {plan.direction} of {plan.environment}, {plan.database_url}"),
            _comment(f"From {', '.join(plan.current) or 'an empty history'}."),
            # A script that runs on after its first error would leave half a revision behind.
            _comment("Run it with: psql -v ON_ERROR_STOP=1 -f FILE"),
        ]
    ]
    if plan.findings:
        blocks.append([_comment(f"{each.severity} {each.rule}: {each.message}") for each in plan.findings])
    if not plan.steps:
        blocks.append([_comment("Nothing to run.")])
    elif plan.script_start:
        blocks.append([_terminated(plan.script_start)])
    for step, version_statements in zip_longest(plan.steps, plan.version_statements):
        if step is not None:
            blocks.append(_step(step, version_statements or (), _begin(lock_timeout)))
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"
