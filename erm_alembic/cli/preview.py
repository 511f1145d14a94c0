"""`erm preview`: a database for each pull request."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    SectionOption,
    TagOption,
    VerboseOption,
    XOption,
)
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line

__all__ = ["app"]

app = typer.Typer(
    help="Make, list and drop a database for each pull request.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _example(*commands: str) -> str:
    lines = "".join(f"  {command}\n" for command in commands)
    return f"\b\nExample{'s' if len(commands) > 1 else ''}:\n{lines}"


@app.command(
    short_help="Make one, or bring the one that is there up to date.",
    epilog=_example("erm preview create pr-17 --env staging", "erm preview create pr-17 --copy-of main --env staging"),
)
def create(
    preview: Annotated[str, typer.Argument(metavar="PREVIEW", help="What the database is called.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--copy-of", metavar="DATABASE", help="Copy this one, to which nobody is connected. Default: empty."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make it anew where it is there already.")] = False,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make a preview at the heads of the revision files, or bring the one that is there to them; print its address.

    The address has no password; it is where the profile has it, or in ~/.pgpass.
    """
    from erm_alembic import preview as previews
    from erm_alembic.cli.progress import progress
    from erm_alembic.render.json import result_document

    options = previews.AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    with progress(verbose=verbose) as shown, console.stdout_reserved():
        made = previews.create(env, preview, config=config, source=source, fresh=fresh, progress=shown, options=options)
    ran = f"{made.ran} revision{'' if made.ran == 1 else 's'} run"
    console.note(f"{one_line(made.name)}: {'made' if made.created else 'was there'}, {ran}.")
    if format_ is Format.json:
        members = {"name": made.name, "url": made.url, "created": made.created, "current": list(made.current)}
        console.write(result_document({**members, "ran": made.ran}))
    else:
        console.write(one_line(made.url) + "\n")


@app.command(short_help="Drop previews.", epilog=_example("erm preview drop pr-17 --env staging"))
def drop(
    preview: Annotated[list[str], typer.Argument(metavar="PREVIEW", help="The previews.")],
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Drop previews with whatever is connected to them, and no database that erm has not made for one."""
    from erm_alembic import preview as previews

    done = previews.drop(env, preview, config=config)
    _tell(done.dropped, done.missing, format_)


@app.command("list", short_help="List the previews of a server.", epilog=_example("erm preview list --env staging"))
def list_(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List the previews on the server of a profile, with their age and size."""
    from erm_alembic import preview as previews
    from erm_alembic.render.json import result_document
    from erm_alembic.render.previews import preview_members, previews_text

    found = previews.previews(env, config=config)
    if format_ is Format.json:
        told = [preview_members(each, found.now) for each in found.previews]
        console.write(result_document({"server": found.server, "previews": told}))
    else:
        console.write(previews_text(found.previews, found.now, found.server))


@app.command(
    short_help="Drop the previews that nobody asks for any more.",
    epilog=_example("erm preview sweep --older-than 7d --env staging"),
)
def sweep(
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="DURATION", help="How long nobody has created it again: 7d, 12h."),
    ],
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Drop the previews that `erm preview create` was not called for in a while, by name or with --copy-of."""
    from erm_alembic import preview as previews

    done = previews.sweep(env, _span(older_than), config=config)
    for name in done.others:
        console.note(f"{one_line(name)} belongs to another owner, and stays.")
    _tell(done.dropped, done.missing, format_)


def _span(text: str) -> timedelta:
    """A duration with days, which settings do not have.

    Raises:
        UsageError: it is none.

    Example:
        >>> _span("7d12h")
        datetime.timedelta(days=7, seconds=43200)
    """
    from erm_alembic.config.durations import parse_duration

    days, unit, rest = text.strip().partition("d")
    try:
        if not unit:
            return parse_duration(text)
        if not (days.isascii() and days.isdigit()):
            raise ValueError(f"{text!r} is not a duration; write a number and its unit, as 7d, 12h or 45m")
        return timedelta(days=int(days)) + (parse_duration(rest) if rest else timedelta())
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--older-than: {error}.", effect="Nothing was dropped.", cure="Write it as in: --older-than 7d"
        ) from None


def _tell(dropped: tuple[str, ...], missing: tuple[str, ...], format_: Format) -> None:
    from erm_alembic.render.json import result_document

    if format_ is Format.json:
        console.write(result_document({"dropped": list(dropped), "missing": list(missing)}))
        return
    lines = [f"{one_line(name)} is dropped.\n" for name in dropped]
    lines += [f"{one_line(name)} was not there.\n" for name in missing]
    console.write("".join(lines) or "There was nothing to drop.\n")
