"""What a role needs, as text for people, as SQL for an administrator, as JSON (`erm grants`)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from erm_alembic.config.redaction import redact
from erm_alembic.grants.model import Grant, GrantKind, GrantReport, Trial
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted, target_line

__all__ = ["grants_json", "grants_sql", "grants_text"]

WIDTH = 110
TITLES: dict[GrantKind, str] = {
    "needed": "Needed",
    "for-others": "So that others go on as before with what it makes",
    "optional": "Not needed; tells more",
}


def grants_text(report: GrantReport, *, paint: Paint = plain, only_missing: bool = False) -> str:
    """The statements with what each is for, what they do not give, and whether the role has them.

    Args:
        report: what the role needs.
        paint: gives colour; none by default.
        only_missing: whether what the role has already is left out.

    Example:
        >>> grant = Grant('GRANT SELECT ON TABLE public.a TO "r"', "Alembic's version table", purpose="plan")
        >>> made = GrantReport("dev", "postgresql://db/shop", "18.1", "shop", "r", "r", ("plan",), (grant,))
        >>> print(grants_text(made), end="")
        Target   dev  postgresql://db/shop  (PostgreSQL 18.1)
        Role     r, for plan
        <BLANKLINE>
        Needed
          missing  GRANT SELECT ON TABLE public.a TO "r";
                   Alembic's version table
        <BLANKLINE>
        1 of 1 statement is missing. Nothing was run: `--format sql` prints them for an administrator.
    """
    lines = [target_line(report.environment, report.database_url, report.server_version, paint)]
    acts = f", acting as {one_line(report.acts_as)}" if report.acts_as != report.role else ""
    lines.append(f"Role     {one_line(report.role)}{acts}, for {', '.join(report.purposes)}")
    if report.trial is not None:
        lines.append(f"Trial    {_trial(report.trial)}")
    for kind, title in TITLES.items():
        shown = [each for each in report.grants if each.kind == kind and not (only_missing and each.held)]
        if shown:
            lines += ["", paint(title, "strong")]
            for grant in shown:
                lines += _told(grant, paint)
    if report.remarks:
        lines += ["", paint("To know", "strong")]
        for remark in report.remarks:
            mark = "must be seen to" if remark.blocks else ""
            said = " ".join(filter(None, (mark, one_line(remark.what), one_line(remark.cure))))
            first, *rest = textwrap.wrap(said, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
            first = paint(mark, "bad") + first.removeprefix(mark) if mark else first
            lines += [f"  {first}", *(f"  {line}" for line in rest)]
    return "\n".join([*lines, "", _summary(report, paint)]) + "\n"


def _trial(trial: Trial) -> str:
    if trial.status == "unknown":
        return f"none: {one_line(trial.reason or 'it was not asked for')}"
    up, down = counted(trial.upgraded, "revision"), trial.downgraded
    said = f"{up} up, {down} down, as a role without rights, in a shadow"
    return f"{said}. {one_line(trial.reason)}" if trial.reason else said


def _told(grant: Grant, paint: Paint) -> Iterator[str]:
    mark = paint("has it  ", "good") if grant.held else paint("missing ", "bad" if grant.kind == "needed" else "dim")
    yield f"  {mark} {escaped(grant.sql)};"
    yield f"           {paint(one_line(grant.why), 'dim')}"


def _summary(report: GrantReport, paint: Paint) -> str:
    needed = [each for each in report.grants if each.kind == "needed"]
    if report.complete:
        return paint(f"The role has all {counted(len(needed), 'right')} that it needs.", "good")
    missing = len(report.missing)
    verb = "is" if missing == 1 else "are"
    said = f"{missing} of {counted(len(needed), 'statement')} {verb} missing."
    return f"{paint(said, 'bad')} Nothing was run: `--format sql` prints them for an administrator."


def grants_sql(report: GrantReport, *, only_missing: bool = False) -> str:
    """A script for an administrator; what is not needed stands there as a comment.

    Args:
        report: what the role needs.
        only_missing: whether what the role has already is left out.

    Example:
        >>> grant = Grant('GRANT SELECT ON TABLE public.a TO "r"', "a plan reads it", purpose="plan")
        >>> made = GrantReport("dev", "postgresql://db/shop", "18.1", "shop", "r", "r", ("plan",), (grant,))
        >>> print(grants_sql(made).splitlines()[-1])
        GRANT SELECT ON TABLE public.a TO "r";  -- a plan reads it
    """
    purposes = ", ".join(report.purposes)
    lines = [
        f"-- The least that {one_line(report.role)} needs on {one_line(report.database)} for: {purposes}",
        "-- Run it as a superuser, or as whoever owns what it names, connected to that database.",
    ]
    if report.trial is not None and report.trial.status != "done":
        lines.append(f"-- The revisions were not all tried: {one_line(report.trial.reason or 'there was no shadow')}")
    for remark in report.remarks:
        lines.append(
            f"-- {'MUST BE SEEN TO: ' if remark.blocks else ''}{one_line(remark.what)} {one_line(remark.cure)}"
        )
    for kind, title in TITLES.items():
        shown = [each for each in report.grants if each.kind == kind and not (only_missing and each.held)]
        if shown:
            lines += ["", f"-- {title}"]
        for grant in shown:
            mark = "-- " if kind == "optional" else ""
            lines.append(f"{mark}{escaped(grant.sql)};  -- {one_line(grant.why)}")
    return "\n".join(lines) + "\n"


def grants_json(report: GrantReport) -> str:
    """The same as one JSON object; keys are added, never renamed.

    Args:
        report: what the role needs.
    """
    return result_document(
        {
            "environment": report.environment,
            "database": {"url": report.database_url, "server_version": report.server_version, "name": report.database},
            "role": report.role,
            "acts_as": report.acts_as,
            "purposes": list(report.purposes),
            "complete": report.complete,
            "grants": [plain_value(each) for each in report.grants],
            "remarks": [
                {"what": redact(each.what), "cure": redact(each.cure), "blocks": each.blocks} for each in report.remarks
            ],
            "trial": None if report.trial is None else plain_value(report.trial),
        }
    )


def escaped(statement: str) -> str:
    r"""A statement in which no name acts on a terminal or an editor: such characters are written as SQL escapes.

    Args:
        statement: the statement.

    Example:
        >>> print(escaped('GRANT "a b" TO "new\nline \\ \x1b[2J"'))
        GRANT "a b" TO U&"new\000Aline \\ \001B[2J"
    """
    if one_line(statement) == statement:
        return statement
    parts, end = [], 0
    for token in tokens(statement):
        if token.kind == "quoted" and one_line(token.text) != token.text:
            parts += [statement[end : token.start], "U&", "".join(map(_escaped, token.text))]
            end = token.start + len(token.text)
    return "".join([*parts, statement[end:]])


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if one_line(character) == character or character == '"':
        return character
    number = ord(character)
    return f"\\{number:04X}" if number < 0x10000 else f"\\+{number:06X}"
