"""`erm dev`: the embedded PostgreSQL server of this project, by hand.

Nobody needs these commands to work with `embedded://NAME`, which starts the server by itself; they are for looking at
it, opening a prompt on it, and getting rid of it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    VerboseOption,
    YesOption,
    invocation,
)
from erm_alembic.errors import Refused, ServerError, UsageError
from erm_alembic.render.safe import one_line
from erm_alembic.render.server import server_json, server_text
from erm_alembic.spelling import nearest

if TYPE_CHECKING:
    from erm_alembic.postgres.embedded.server import EmbeddedServer

__all__ = ["app"]

# The database that every server has, for projects that name none.
FALLBACK_DATABASE = "postgres"

app = typer.Typer(
    help="Run the embedded PostgreSQL server of this project.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DatabaseArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The database. Default: the one of the profile's embedded://NAME."),
]


def _example(command: str) -> str:
    return f"\b\nExample:\n  {command}\n"


@dataclass(frozen=True)
class Project:
    """The project that a command is about.

    Args:
        server: its embedded server.
        environment: the profile's name.
        database: NAME of the profile's `embedded://NAME`, None when the profile uses another database.
        configured: whether the profile says any URL.
    """

    server: EmbeddedServer
    environment: str
    database: str | None
    configured: bool

    def database_or(self, named: str | None) -> str:
        """The database to use: the one that was named, else the profile's, else the one every server has.

        Raises:
            UsageError: the profile's database is on another server.
        """
        if named is not None:
            return named
        if self.database is None and self.configured:
            raise UsageError(
                f"The profile {self.environment} does not use the embedded server.",
                effect="Nothing was started.",
                cure="Name a database (erm dev url NAME), or a profile with embedded://NAME (--env dev).",
            )
        return self.database or FALLBACK_DATABASE


@app.command(short_help="Start the server, and create the database.", epilog=_example("erm dev start"))
def start(
    context: typer.Context,
    env: EnvironmentOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Start the server, and create the profile's database where it is missing."""
    project = _project(context, env)
    if project.database is None:
        project.server.ensure_running()
    else:
        project.server.ensure_database(project.database)
    console.write(server_text(project.server.status()))


@app.command(epilog=_example("erm dev stop"))
def stop(
    context: typer.Context,
    yes: YesOption = False,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Stop the server; its databases stay. A deployment that is under way is not cut off without --yes."""
    server = _project(context, None, needs_database=False).server
    if not yes and (deployers := server.deployers()):
        whom = "; ".join(f"{holder.database}, by {holder}" for holder in deployers)
        raise Refused(
            f"The server is deployed to: {one_line(whom)}.",
            effect="Nothing was stopped.",
            cure="Wait until that has ended, or cut it off: erm dev stop --yes",
        )
    stopped = server.stop()
    console.write("The server is stopped.\n" if stopped else "The server was not running.\n")


@app.command(short_help="Say whether the server runs, and where.", epilog=_example("erm dev status --format json"))
def status(
    context: typer.Context,
    output: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say whether the server runs, and where its files are; changes nothing."""
    found = _project(context, None, needs_database=False).server.status()
    console.write(server_json(found) if output is Format.json else server_text(found))


@app.command(short_help="Print the libpq URL of a database.", epilog=_example('pg_dump "$(erm dev url)"'))
def url(
    context: typer.Context,
    name: DatabaseArgument = None,
    create: Annotated[bool, typer.Option("--create", help="Create the named database where it is not there.")] = False,
    env: EnvironmentOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Print the libpq URL of a database, so that it works at once: the server is started where it does not run.

    The profile's own database is created where it is missing, another one only with --create.
    """
    project = _project(context, env)
    database = project.database_or(name)
    if database != project.database and not create:
        _require_database(project.server, database)
    project.server.ensure_database(database)
    console.write(one_line(project.server.dsn(database)) + "\n")


@app.command(context_settings={"ignore_unknown_options": True}, epilog=_example('erm dev psql -c "select version()"'))
def psql(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="PSQL_OPTION", help="Handed on to psql.")] = None,
    env: EnvironmentOption = None,
    config: ConfigOption = None,
) -> None:
    """Open psql on the profile's database."""
    project = _project(context, env)
    database = project.database_or(None)
    program = project.server.psql() or shutil.which("psql")
    if program is None:
        raise ServerError(
            "There is no psql: neither beside the server's programs nor on PATH.",
            effect="No prompt was opened.",
            cure='Install a PostgreSQL client, or hand another one the address: CLIENT "$(erm dev url)"',
        )
    project.server.ensure_database(database)
    # psql takes this process's place, so that signals, the terminal and the exit code are its own.
    os.execv(program, [str(program), project.server.dsn(database), *(arguments or [])])


@app.command(epilog=_example("erm dev reset --yes"))
def reset(
    context: typer.Context,
    yes: YesOption = False,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Stop the server and remove all of its databases."""
    server = _project(context, None, needs_database=False).server
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "erm dev reset removes every database of the embedded server, and there is no terminal to ask on.",
            effect="Nothing was removed.",
            cure="erm dev reset --yes",
        )
    question = f"Remove every database of the embedded server in {one_line(str(server.project_dir))}?"
    if not yes and not typer.confirm(question, err=True):
        console.note("Nothing was removed.")
        raise typer.Exit(1)
    removed = server.reset()
    console.write("The server and its databases are removed.\n" if removed else "There was no server.\n")


def _require_database(server: EmbeddedServer, name: str) -> None:
    """Refuse a database that is not there: its name may be mistyped.

    Raises:
        UsageError: the server has none of that name.
    """
    known = server.databases()
    if name not in known:
        near = nearest(name, known)
        meant = f"Did you mean {one_line(near)}? " if near else ""
        raise UsageError(
            f"The embedded server has no database {one_line(name)}; it has {one_line(', '.join(known))}.",
            effect="No database was created.",
            cure=f"{meant}To create it: erm dev url {one_line(shlex.quote(name))} --create",
        )


def _require_project(folder: Path) -> None:
    """Refuse to fill a folder that is no project with a server and its databases: nobody would look for them there.

    Raises:
        ProjectError: there is neither erm.yaml nor an Alembic project.
    """
    from erm_alembic.revisions.source.place import NoProject, find_place

    try:
        find_place(folder)
    except NoProject as error:
        raise NoProject(
            f"{folder} is no project: it has no erm.yaml, and no Alembic project.",
            effect="Nothing was started.",
            cure="Run it in the project's folder, or start a project here: `erm init`.",
        ) from error


def _project(context: typer.Context, env: str | None, *, needs_database: bool = True) -> Project:
    """The project of erm.yaml, or of the working directory where there is none.

    Args:
        context: of the command, for `--config`.
        env: the profile.
        needs_database: whether the profile's URL matters; where it does not, no secret in it is asked for.
    """
    from erm_alembic.config.loader import load_settings
    from erm_alembic.postgres.embedded.server import EmbeddedServer

    settings = load_settings(env, invocation(context).config, require_url=False)
    if needs_database and settings.config_path is None:
        _require_project(settings.project_dir)
    database = None
    if needs_database and settings.url is not None:
        for line in settings.notes:
            console.note(line)
        database = settings.url.database_url().embedded_name
    return Project(
        server=EmbeddedServer(settings.project_dir),
        environment=settings.environment,
        database=database,
        configured=settings.url is not None,
    )
