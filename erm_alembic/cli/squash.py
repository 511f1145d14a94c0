"""`erm squash`: one revision of many."""

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
from erm_alembic.cli.typed import completed, typed_options

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm squash 3f9a1c --env prod
  erm squash 3f9a1c --env prod --dry-run
  erm squash --continue
"""


def squash(
    revision: Annotated[
        str | None, typer.Argument(metavar="REV", help="The last of the revisions that become one.")
    ] = None,
    message: MessageOption = None,
    dry_run: DryRunOption = False,
    continue_: Annotated[bool, typer.Option("--continue", help="Finish a squash that was cut off.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put back the files of a squash that was cut off.")] = False,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make one revision of a revision and all before it: what they make, with the rows that they write.

    Proven in a shadow, or every file is as it was. The one keeps the id of the last, and the old files are kept in the
    folder squashed/REV of the script location. The database is only read.

    Exit codes: 0 done; 1 refused, or not proven; 2 bad usage or configuration.
    """
    from erm_alembic import squash as squashing
    from erm_alembic.render.squash import squashed_json, squashed_text
    from erm_alembic.revisions.project import AlembicOptions

    asked = [word for word, given in (("REV", revision), ("--continue", continue_), ("--undo", undo)) if given]
    if len(asked) != 1:
        said = " and ".join(asked) or "nothing"
        raise refused(f"erm squash takes one of REV, --continue and --undo; {said} was given.", cure="erm squash REV")
    if revision is None:
        _refuse_what_needs_a_revision(asked[0], {"--dry-run": dry_run, "--message": message is not None})
    options = AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    with console.stdout_reserved(), console.tell_under_way():
        if undo:
            done = squashing.undo_squash(env, config=config, options=options)
        elif continue_:
            done = squashing.continue_squash(env, config=config, options=options)
        else:
            assert revision is not None
            done = squashing.squash(env, revision, message=message, write=not dry_run, config=config, options=options)
    if dry_run:
        console.note(f"In the place of {len(done.replaced)} revisions: {', '.join(done.replaced)}")
        for told in done.notes:
            console.note(told)
        console.write_file(done.script)
        return
    if format_ is Format.json:
        console.write(squashed_json(done))
        return
    if undo:
        console.write("Put back: every file is as it was.\n")
        return
    kept = None if done.kept is None else console.typed_path(done.kept)
    console.write(
        squashed_text(done, [console.typed_path(path) for path in done.files], kept, console.painter(sys.stdout))
    )
    command = completed("`erm migrate --mode plan`", typed_options(env, config))
    console.note(
        f"Every database must have reached {done.revision} before it gets this: {command} shows whether it has."
    )


def _refuse_what_needs_a_revision(asked: str, options: dict[str, bool]) -> None:
    """What says how a squash is made does not go with what ends one; a dry run of it would write."""
    for option, is_given in options.items():
        if is_given:
            raise refused(
                f"{option} goes with REV only, not with {asked}, which ends a squash that was begun.",
                cure=f"Leave out {option}, or give a REV in the place of {asked}.",
                effect="No file was changed.",
            )


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("squash", epilog=EXAMPLES)(squash)
