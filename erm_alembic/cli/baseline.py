"""`erm baseline`: a first revision from a live database; a database recorded as having it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    AcceptEnvironmentOption,
    ConfigOption,
    DryRunOption,
    EnvironmentOption,
    Format,
    FormatOption,
    MessageOption,
    ReasonOption,
    SectionOption,
    TagOption,
    VerboseOption,
    VersionPathOption,
    WaitOption,
    XOption,
    YesOption,
    refused,
    typed_again,
    wait_seconds,
)
from erm_alembic.cli.typed import completed, typed_options

if TYPE_CHECKING:
    from erm_alembic.planning.baselines import Baseline, Proof, RecordedBaseline

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm baseline --env prod
  erm baseline --env prod --dry-run
  erm baseline --env prod --with-data public.countries
  erm baseline --record --env staging
"""


def baseline(
    env: EnvironmentOption = None,
    message: MessageOption = None,
    owners: Annotated[bool, typer.Option("--owners", help="Say who owns what, too.")] = False,
    no_grants: Annotated[bool, typer.Option("--no-grants", help="Leave out who may do what.")] = False,
    with_data: Annotated[
        list[str] | None,
        typer.Option("--with-data", metavar="TABLE", help="With the rows of this table. Several times for several."),
    ] = None,
    another_base: Annotated[
        bool, typer.Option("--another-base", help="Beside the revisions that there are, building on none of them.")
    ] = False,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Keep the revision although it could not be replayed.")
    ] = False,
    dry_run: DryRunOption = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Only write the revision; leave the database as it is.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Only record that the database has what a revision makes.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="With --record: that revision. Default: the first one.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--override", metavar="RULE", help="Let this rule pass once; needs --reason.")
    ] = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    wait: WaitOption = None,
    accept_environment: AcceptEnvironmentOption = False,
    version_path: VersionPathOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write the first revision of a project from a live database, and record that the database has it.

    The revision is a pair of SQL scripts, from pg_dump. It is replayed in a shadow and compared with the database; what
    it does not make is named. Then alembic_version and the ledger record it, after a question.

    Exit codes: 0 done; 1 refused, not proven, or what it makes differs; 2 bad usage or configuration.
    """
    from erm_alembic.baseline import Parts, record_baseline, write_baseline
    from erm_alembic.checks.overrides import Override
    from erm_alembic.render.baseline import baseline_json, baseline_text, recorded_text
    from erm_alembic.revisions.project import AlembicOptions

    _refuse_what_is_not_together(
        record,
        {
            "--message": message is not None,
            "--owners": owners,
            "--no-grants": no_grants,
            "--with-data": bool(with_data),
            "--another-base": another_base,
            "--unproven": unproven,
            "--dry-run": dry_run,
            "--no-record": no_record,
            "--version-path": version_path is not None,
        },
        {"--to": to is not None},
    )
    overrides = tuple(Override(rule, "; ".join(reason or ())) for rule in override or ())
    options = AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    paint = console.painter(sys.stdout)
    written: Baseline | None = None
    if not record:
        with console.stdout_reserved(), console.tell_under_way():
            written = write_baseline(
                env,
                message=message,
                parts=Parts(owners, not no_grants, tuple(with_data or ())),
                another_base=another_base,
                unproven=unproven,
                write=not dry_run,
                config=config,
                version_path=version_path,
                options=options,
            )
        if dry_run:
            for told in written.notes:
                console.note(told)
            console.write_file(written.script)
            return
        if format_ is Format.text:
            console.write(baseline_text(written, [console.typed_path(path) for path in written.files], paint))
    wanted = record or (not no_record and written is not None and written.proof is not None and written.proof.holds)
    recorded: RecordedBaseline | None = None
    if wanted:

        def agree(revision: str, url: str, proof: Proof) -> bool:
            return yes or _asked(revision, url, proof, format_, must_answer=record)

        with console.tell_under_way():
            recorded = record_baseline(
                env,
                to=to if written is None else written.revision,
                proof=None if written is None else written.proof,
                agree=agree,
                overrides=overrides,
                wait=None if wait is None else wait_seconds(wait),
                accept_environment=accept_environment,
                tell=console.note,
                config=config,
                options=options,
            )
    if format_ is Format.json:
        console.write(baseline_json(written, recorded))
    elif recorded is not None:
        console.write(recorded_text(recorded, paint))
    if recorded is None or recorded.state == "looked":
        command = completed("erm baseline --record", typed_options(env, config))
        console.note(f"To record it: {' '.join([command, *map(shlex.quote, typed_again(None, x, name, tag))])}")
    held = recorded is not None or (written is not None and written.proof is not None and written.proof.holds)
    raise typer.Exit(0 if held else 1)


def _refuse_what_is_not_together(record: bool, writing: dict[str, bool], recording: dict[str, bool]) -> None:
    for option, is_given in (writing if record else recording).items():
        if is_given:
            said = "has no effect with --record, which writes no revision" if record else "goes with --record only"
            raise refused(f"{option} {said}.", cure="Leave one of them out.")


def _asked(revision: str, url: str, proof: Proof, format_: Format, *, must_answer: bool) -> bool:
    """Ask whether the database is to be recorded; where nobody can answer, it is not.

    Raises:
        UsageError: there is nobody to ask, and nothing else was done that would be a result.
    """
    from erm_alembic.render.baseline import proof_lines
    from erm_alembic.render.safe import one_line

    if must_answer and format_ is Format.text:
        console.write("\n".join(proof_lines(proof, console.painter(sys.stdout))) + "\n")
    if not sys.stdin.isatty():
        if must_answer:
            raise refused(
                "erm baseline --record asks first, and there is no terminal to answer.",
                cure="Look at what it found, then add --yes.",
                effect="The database was not changed.",
            )
        return False
    return typer.confirm(f"Record {one_line(url)} as being at {one_line(revision)}?", err=True)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("baseline", epilog=EXAMPLES)(baseline)
