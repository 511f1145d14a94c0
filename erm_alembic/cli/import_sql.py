"""`erm import-sql`: another tool's directory of SQL scripts becomes this project's revisions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    AcceptEnvironmentOption,
    ConfigOption,
    DryRunOption,
    SectionOption,
    TagOption,
    VerboseOption,
    VersionPathOption,
    WaitOption,
    XOption,
    complete_environments,
    wait_seconds,
)
from erm_alembic.cli.typed import completed, typed_options

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm import-sql db/migrations --dry-run       show each step; write nothing
  erm import-sql db/migrations                 write the revisions
  erm import-sql db/migrations --env staging   and what was run there
  erm import-sql db/migrations --env prod --table app.schema_migrations
"""


def import_sql(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of the SQL scripts.")],
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            metavar="NAME",
            help="The profile whose database the tool was run on. Default: ERM_ENV, else only files are written.",
            autocompletion=complete_environments,
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--from", metavar="TOOL", help="golang-migrate, dbmate or erm. Default: found out."),
    ] = None,
    dry_run: DryRunOption = False,
    table: Annotated[
        str | None, typer.Option("--table", metavar="[SCHEMA.]NAME", help="The tool's table, if not the usual one.")
    ] = None,
    wait: WaitOption = None,
    accept_environment: AcceptEnvironmentOption = False,
    version_path: VersionPathOption = None,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make revisions of the SQL scripts of golang-migrate, dbmate or Go's erm.

    With --env or ERM_ENV, what the tool has run on that database is recorded in alembic_version and in the ledger; its
    own table stays. Without both, only files are written. Run once for each environment; what is done already is not
    done again.

    Exit codes: 0 done; 1 refused; 2 bad usage or configuration.
    """
    from erm_alembic.config.loader import ENVIRONMENT_VARIABLE
    from erm_alembic.generate import import_sql as run
    from erm_alembic.render.imported import import_text
    from erm_alembic.revisions.project import AlembicOptions

    with console.stdout_reserved():
        done = run(
            directory,
            env or os.environ.get(ENVIRONMENT_VARIABLE) or None,
            layout=layout,
            table=table,
            write=not dry_run,
            config=config,
            wait=None if wait is None else wait_seconds(wait),
            version_path=version_path,
            accept_environment=accept_environment,
            options=AlembicOptions(x=tuple(x or ()), name=name, tag=tag),
            tell=console.note,
        )
    text = import_text(
        done.source,
        done.adoption,
        written=not dry_run,
        environment=done.environment,
        taken=done.taken,
        stamped=done.stamped,
        paint=console.painter(sys.stdout),
    )
    console.write(text)
    if not dry_run:
        command = completed("`erm migrate --mode plan`", typed_options(env, config))
        console.note(f"{command} shows what is still to be run.")


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("import-sql", epilog=EXAMPLES)(import_sql)
