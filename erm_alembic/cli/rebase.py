"""`erm rebase`: a branch that came late goes on top; several heads become one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    DryRunOption,
    EnvironmentOption,
    Format,
    FormatOption,
    MessageOption,
    SectionOption,
    TagOption,
    VerboseOption,
    XOption,
    refused,
)

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm rebase --env prod
  erm rebase 3f9a1c --env prod
  erm rebase --env prod --dry-run
  erm rebase --merge -m "merge heads" --env prod
"""


def rebase(
    revision: Annotated[
        str | None,
        typer.Argument(metavar="REV", help="A revision of the branch that came late. Default: what --env has not."),
    ] = None,
    onto: Annotated[
        str | None, typer.Option("--onto", metavar="HEAD", help="Put it on this head. Default: the only other one.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write a revision that merges all heads instead.")] = False,
    message: MessageOption = None,
    dry_run: DryRunOption = False,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Put a branch of revisions that came late on top of the other one, so that there is one head.

    `down_revision` of its first revision changes, and the line `Revises:`; nothing else of the file does. What the
    database of --env has applied is never moved. The new order is replayed in a shadow, or every file is as it was.

    Exit codes: 0 done; 1 refused, or not proven; 2 bad usage or configuration.
    """
    from erm_alembic import rebase as rebasing
    from erm_alembic.render.rebase import rebased_json, rebased_text
    from erm_alembic.revisions.project import AlembicOptions

    if merge and (revision or onto):
        raise refused("--merge merges all heads; it takes neither REV nor --onto.", cure="erm rebase --merge")
    if message is not None and not merge:
        raise refused("--message goes with --merge only.", cure="Leave it out: the revisions keep their messages.")
    options = AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    with console.stdout_reserved(), console.tell_under_way():
        if merge:
            done = rebasing.merge(env, message=message, write=not dry_run, config=config, options=options)
        else:
            done = rebasing.rebase(env, revision, onto=onto, write=not dry_run, config=config, options=options)
    if format_ is Format.json:
        console.write(rebased_json(done))
        return
    typed = None if done.merge is None else console.typed_path(done.merge)
    console.write(rebased_text(done, typed, console.painter(sys.stdout)))


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("rebase", epilog=EXAMPLES)(rebase)
