"""`erm drift`: where the database, its history and the models differ, and the two ways out."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    DriftFormatOption,
    EnvironmentOption,
    HeadOption,
    MessageOption,
    SectionOption,
    TagOption,
    VerboseOption,
    VersionPathOption,
    XOption,
    complete_environments,
    out_option,
    refused,
    typed_again,
)
from erm_alembic.cli.reports import findings_report
from erm_alembic.cli.typed import completed
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line

if TYPE_CHECKING:
    from erm_alembic.comparing import Adopted, DriftReport, Reverted

__all__ = ["Fix", "Source", "drift", "register"]

EXAMPLES = """\b
Examples:
  erm drift --env prod
  erm drift --env prod --source database --format json
  erm drift --env prod --against staging
  erm drift --env prod --fix revert --out revert.sql
  erm drift --env prod --fix adopt
"""


class Source(StrEnum):
    """What is compared."""

    history = "history"
    database = "database"
    models = "models"


class Fix(StrEnum):
    """The ways out of drift."""

    revert = "revert"
    adopt = "adopt"


def drift(
    env: EnvironmentOption = None,
    source: Annotated[
        list[Source] | None,
        typer.Option(
            "--source",
            metavar="<history|database|models>",
            help="Compare only this; repeat it for two of them. Default: all three.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="NAME",
            help="Compare with the database of another profile, whose schema is expected.",
            autocompletion=complete_environments,
        ),
    ] = None,
    fix: Annotated[
        Fix | None,
        typer.Option("--fix", help="revert: write SQL that takes it back. adopt: write a revision that takes it over."),
    ] = None,
    out: Annotated[Path | None, out_option("With --fix revert: the file to write, not stdout.")] = None,
    message: MessageOption = None,
    head: HeadOption = None,
    version_path: VersionPathOption = None,
    format_: DriftFormatOption = "text",
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Look for drift: recorded revisions against files, database against revisions, models against revisions.

    Exit codes: 0 none; 1 there is some, or it could not be told; 2 bad usage or configuration.
    """
    _check_combination(source, against, fix, out, message, head, version_path, format_)
    from erm_alembic import comparing

    options = comparing.AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    asked = {Source.database} if fix is not None else set(source or Source)
    sources = tuple(each for each in comparing.SOURCES if each in asked)
    with console.stdout_reserved():
        if against is not None:
            report = comparing.drift_against(env, against, config=config, options=options)
        else:
            report = comparing.drift(env, config=config, sources=sources, options=options, whole=fix is not None)
    for note in report.notes:
        console.note(note)
    for comparison in report.comparisons:
        # As text, the report itself has the reason.
        if comparison.verdict == "unknown" and (fix is not None or format_ == "json"):
            console.note(f"Drift of the {comparison.source} is not known: {comparison.reason}")
    if fix is Fix.revert:
        with console.stdout_reserved():
            reverted = comparing.revert_sql(report, config=config, options=options)
        raise typer.Exit(_revert(report, reverted, out))
    if fix is Fix.adopt:
        with console.stdout_reserved():
            adoption = comparing.adopt(
                report, message=message, config=config, head=head, version_path=version_path, options=options
            )
        raise typer.Exit(_adopted(adoption))
    from erm_alembic.config.loader import load_settings
    from erm_alembic.render.drift import drift_json, drift_text
    from erm_alembic.render.drift_findings import drift_findings

    if format_ == "json":
        console.write(drift_json(report))
    elif format_ != "text":
        settings = load_settings(env, config, require_url=False)
        findings_report(format_, "drift", drift_findings(report, settings.drift), settings)
    else:
        again = typed_again(config, x, name, tag)
        console.write_prose(drift_text(report, arguments=again, paint=console.painter(sys.stdout)))
    raise typer.Exit(0 if report.agrees else 1)


def _revert(report: DriftReport, reverted: Reverted, out: Path | None) -> int:
    if report.agrees:
        console.note("There is no drift of the database to take back.")
        return 0
    if reverted.not_proven is not None:
        console.note(f"NOT PROVEN: {one_line(reverted.not_proven)}")
    code = 0 if reverted.not_proven is None else 1
    if out is None:
        console.write_file(reverted.text)
        return code
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(reverted.text)
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written: {error.strerror}.",
            effect="No SQL was written, and nothing was changed.",
            cure="Name a file that is not there yet, in a folder that takes one.",
        ) from error
    console.write(f"{one_line(str(out))}\n")
    again = completed("`erm drift`", {"--env": report.environment})
    console.note(f"Read it before you run it; {again} shows afterwards whether anything is left.")
    return code


def _adopted(adoption: Adopted) -> int:
    for each in adoption.left:
        reason = "no statement changes it" if each.startswith("column-order ") else "it belongs to an environment"
        console.note(f"Left out, because {reason}: {one_line(each)}")
    if adoption.path is None:
        console.note("There is no drift of the database that a revision could take over.")
        return 0
    console.write(f"{console.typed_path(adoption.path)}\n")
    console.note("Read it before you apply it. Where the change is there already, it passes and changes nothing.")
    return 0


def _check_combination(
    source: list[Source] | None,
    against: str | None,
    fix: Fix | None,
    out: Path | None,
    message: str | None,
    head: str | None,
    version_path: Path | None,
    format_: str,
) -> None:
    """Refuse options that contradict each other, before anything is connected to.

    Raises:
        UsageError: they do.
    """
    database_only = not source or set(source) == {Source.database}
    if against is not None and not database_only:
        raise _refuse(
            "--against compares two databases; neither files nor models are looked at.", "Leave out --source."
        )
    if fix is not None and not database_only:
        raise _refuse("--fix is about drift of the database.", "Leave out --source; `erm gen` carries model changes.")
    if fix is not None and format_ != "text":
        shown = "JSON" if format_ == "json" else "a report"
        raise _refuse(f"--fix {fix.value} writes a file, and --format {format_} prints {shown}.", "Give one of them.")
    if fix is Fix.adopt and against is not None:
        raise _refuse("A revision takes over what one database has beyond its history.", "Leave out --against.")
    if out is not None and fix is not Fix.revert:
        raise _refuse("--out names the file of --fix revert.", "Add --fix revert, or leave it out.")
    for option, value in (("--message", message), ("--head", head), ("--version-path", version_path)):
        if value is not None and fix is not Fix.adopt:
            raise _refuse(f"{option} is for the revision of --fix adopt.", f"Add --fix adopt, or leave out {option}.")


def _refuse(what: str, cure: str) -> UsageError:
    return refused(what, cure, "Nothing was compared.")


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("drift", epilog=EXAMPLES)(drift)
