"""`erm new`: an empty revision, from the project's own template."""

from __future__ import annotations

from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    HeadOption,
    SectionOption,
    SqlScriptsOption,
    VerboseOption,
    VersionPathOption,
)
from erm_alembic.errors import UsageError

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm new "add reviews"
  erm new "drop the old rates" --head logistics@head
  erm new "add reviews" --sql
"""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What changes, in a few words.")],
    head: HeadOption = None,
    sql: SqlScriptsOption = False,
    splice: Annotated[bool, typer.Option("--splice", help="Allow --head to be no head: starts a branch.")] = False,
    version_path: VersionPathOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
    section: SectionOption = "alembic",
) -> None:
    """Write an empty revision and print its path. Needs no database."""
    from erm_alembic.config.loader import load_settings
    from erm_alembic.revisions.project import AlembicOptions, find_project

    if not name.strip():
        raise UsageError(
            "A revision needs a name.",
            effect="No revision was written.",
            cure='Say what changes: erm new "add reviews".',
        )
    if sql and splice:
        raise UsageError(
            "--splice and --sql do not go together.", effect="No revision was written.", cure="Leave one of them out."
        )
    settings = load_settings(config=config, require_url=False)
    project = find_project(settings, AlembicOptions(name=section))
    if sql:
        from erm_alembic.revisions.sql.new_pair import create_pair

        pair = create_pair(project, name.strip(), head=head, version_path=version_path)
        for written in (pair.up, pair.down, pair.stub):
            console.write(f"{console.typed_path(written)}\n")
        console.note("Write the SQL; `erm migrate --mode plan` shows what it does.")
        return
    from erm_alembic.revisions.new_revision import create_revision

    path = create_revision(project, name.strip(), head=head, splice=splice, version_path=version_path)
    console.write(f"{console.typed_path(path)}\n")
    console.note("Write upgrade() and downgrade(); `erm migrate --mode plan` shows what they do.")


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("new", epilog=EXAMPLES)(new)
