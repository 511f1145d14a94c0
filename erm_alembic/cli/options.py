"""The options that mean the same in every command, each declared once.

`--config` and `--verbose` stand before the command as well as after it: their callbacks keep what was given
in the `Invocation`, and a command that was not given its own takes the one from before it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from erm_alembic.errors import UsageError
from erm_alembic.render.formats import formats_of
from erm_alembic.render.safe import one_line

__all__ = [
    "AcceptEnvironmentOption",
    "AllowDataLossOption",
    "CheckFormatOption",
    "ConfigOption",
    "CopyDataOption",
    "DriftFormatOption",
    "DryRunOption",
    "EnvironmentOption",
    "Format",
    "FormatOption",
    "HeadOption",
    "Invocation",
    "MessageOption",
    "MigrateFormatOption",
    "ReasonOption",
    "RehearseOption",
    "SectionOption",
    "SqlScriptsOption",
    "TagOption",
    "VerboseOption",
    "VersionPathOption",
    "WaitOption",
    "XOption",
    "YesOption",
    "complete_environments",
    "invocation",
    "out_option",
    "refuse_options_before",
    "refused",
    "typed_again",
    "wait_seconds",
]


class Format(StrEnum):
    """How a result is printed."""

    text = "text"
    json = "json"


@dataclass
class Invocation:
    """What was said about the whole command line, before or after the command.

    Args:
        verbose: whether `-v` was given.
        config: the file that `--config` names.
        signal_number: the signal that ended the run, if one did; the exit code is 128 + its number.
    """

    verbose: bool = False
    config: Path | None = None
    signal_number: int = int(signal.SIGINT)


def invocation(context: typer.Context) -> Invocation:
    """The invocation that this context belongs to; made when there is none yet."""
    kept = context.find_root().ensure_object(Invocation)
    assert isinstance(kept, Invocation)
    return kept


def _keep_verbose(context: typer.Context, value: bool) -> bool:
    kept = invocation(context)
    kept.verbose = kept.verbose or value
    return kept.verbose


def _keep_config(context: typer.Context, value: Path | None) -> Path | None:
    kept = invocation(context)
    kept.config = value or kept.config
    return kept.config


def complete_environments(context: typer.Context, incomplete: str) -> list[str]:
    """The declared profiles that begin with what was typed; nothing when erm.yaml is missing or broken."""
    import yaml

    config = context.find_root().params.get("config") or context.params.get("config") or Path("erm.yaml")
    try:
        document = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        names = [str(name) for name in document["database"]["environments"]]
    # Completion is a courtesy: a message in the middle of the user's typing would be worse than none.
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return []
    return sorted(name for name in names if name.startswith(incomplete) and name == one_line(name))


def refused(what: str, cure: str, effect: str = "Nothing was changed.") -> UsageError:
    """The error of options that do not go together, or that lack something.

    Args:
        what: what is wrong.
        cure: what to type instead.
        effect: what became of the command.
    """
    return UsageError(what, effect=effect, cure=cure)


def refuse_options_before(context: typer.Context, *handed_on: str) -> None:
    """Refuse an option that stands between a group and its command: it does not reach the command.

    It would be forgotten without a word, and might have meant another database.

    Args:
        context: that of the group.
        handed_on: the options of the group that its commands take over, besides `--config` and `--verbose`.

    Raises:
        UsageError: there is one.
    """
    group: Any = context.command
    name = context.invoked_subcommand
    taken = {flag for each in group.commands[name].params for flag in each.opts}
    for parameter in group.params:
        given = context.get_parameter_source(parameter.name or "")
        option = parameter.opts[0]
        if given is None or given.name != "COMMANDLINE" or option in ("--config", "--verbose", *handed_on):
            continue
        typed = f"erm {context.info_name} {name}"
        cure = f"Write it behind: {typed} {option} ..." if option in taken else f"Leave it out: {typed} takes none."
        raise refused(f"{option} stands before {name}, which does not get it.", cure)


def wait_seconds(text: str) -> float:
    """How long to wait for the deploy lock, in seconds.

    Args:
        text: a duration, such as `500ms`, `15s`, `5m`; `0s` tries once.

    Raises:
        UsageError: the text is not a duration.

    Example:
        >>> wait_seconds("5m")
        300.0
    """
    from erm_alembic.config.durations import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"--wait: {error}.", effect="Nothing was changed.", cure="Write it as in: --wait 5m") from None


def typed_again(config: Path | None, x: Sequence[str] | None, name: str, tag: str | None) -> tuple[str, ...]:
    """What of the command line the next command must repeat to reach the same project in the same way.

    Args:
        config: `--config`.
        x: each `-x`.
        name: `--name`.
        tag: `--tag`.

    Example:
        >>> typed_again(None, ["tenant=eu"], "alembic", None)
        ('-x', 'tenant=eu')
    """
    given = [] if config is None else [("--config", str(config))]
    given += [] if tag is None else [("--tag", tag)]
    given += [("-x", value) for value in x or ()]
    given += [("--name", name)] if name != "alembic" else []
    return tuple(word for pair in given for word in pair)


def out_option(what: str) -> Any:
    """The option `--out FILE` of a command: spelled the same everywhere, with what that command writes.

    Args:
        what: what is written, for the command's help.
    """
    return typer.Option("--out", metavar="FILE", help=what)


EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="NAME",
        help="The profile of erm.yaml to use. Default: ERM_ENV, else dev.",
        autocompletion=complete_environments,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration file. Default: erm.yaml, found from here upwards.",
        callback=_keep_config,
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Say more: whole statements, and the traceback of an error.",
        callback=_keep_verbose,
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", help="How to print the result; json prints one object and nothing else.")
]


def _report_format(command: str) -> Any:
    """The names of the formats that a command knows, as a choice that the parser checks and completes."""
    names = {each.name: each.name for each in formats_of(command)}
    return cast(Any, StrEnum)("ReportFormat", names)


def _report_format_option(command: str) -> Any:
    """The option `--format` of a command that shows reports; what each format is for comes from the registry."""
    told = "; ".join(f"{each.name}: {each.purpose}" for each in formats_of(command))
    return typer.Option("--format", help=f"How to print the result. {told}.")


if TYPE_CHECKING:  # names, of which the parser lets no other through
    MigrateFormat = str
    CheckFormat = str
    DriftFormat = str
else:
    MigrateFormat, CheckFormat, DriftFormat = map(_report_format, ("migrate", "check", "drift"))

MigrateFormatOption = Annotated[MigrateFormat, _report_format_option("migrate")]
CheckFormatOption = Annotated[CheckFormat, _report_format_option("check")]
DriftFormatOption = Annotated[DriftFormat, _report_format_option("drift")]
HeadOption = Annotated[
    str | None, typer.Option("--head", metavar="REV", help="Build on this revision, not on the only head.")
]
VersionPathOption = Annotated[
    Path | None,
    typer.Option("--version-path", metavar="DIR", help="Write to this one of several version_locations."),
]
XOption = Annotated[
    list[str] | None, typer.Option("-x", metavar="KEY=VALUE", help="Handed to env.py, as Alembic does.")
]
SectionOption = Annotated[str, typer.Option("--name", metavar="SECTION", help="The section of alembic.ini.")]
TagOption = Annotated[str | None, typer.Option("--tag", metavar="TEXT", help="Handed to env.py, as Alembic does.")]
WaitOption = Annotated[
    str | None,
    typer.Option("--wait", metavar="DURATION", help="How long to wait for the deploy lock. Default: 10s."),
]
AllowDataLossOption = Annotated[
    bool, typer.Option("--allow-data-loss", help="Go down although rows or values are lost; --reason says why.")
]
AcceptEnvironmentOption = Annotated[
    bool,
    typer.Option("--accept-environment", help="Accept a database that was first deployed under another --env."),
]
RehearseOption = Annotated[
    bool | None,
    typer.Option(
        "--rehearse/--no-rehearse",
        help="Try the plan out in a shadow. Default: yes, but for apply and rollback not in dev or an empty database. "
        "Drift is looked for all the same; ERM_NO_SHADOW=1 leaves out both.",
    ),
]
CopyDataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--copy-data",
        metavar="TABLE:ROWS",
        help="Rehearse on so many rows of the target, which are dropped afterwards. Several times for several tables.",
    ),
]
ReasonOption = Annotated[
    list[str] | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the ledger.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
MessageOption = Annotated[str | None, typer.Option("-m", "--message", metavar="TEXT", help="What changes.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")]
SqlScriptsOption = Annotated[bool, typer.Option("--sql", help="Write the revision as a pair of SQL scripts.")]
