"""The command `erm`: the table of its commands, and the one place where errors become words and exit codes.

Start-up is light on purpose: a command's module is imported when that command is invoked, and SQLAlchemy,
Alembic and rich only inside the functions that need them. `erm --help` imports none of them.
"""

from __future__ import annotations

import atexit
import gc
import itertools
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from erm_alembic.cli import console
from erm_alembic.cli.log_format import LogFormatOption, use_log_format, wanted_log_format
from erm_alembic.cli.options import ConfigOption, Invocation, VerboseOption
from erm_alembic.cli.signals import leave_in_peace
from erm_alembic.errors import ErmError, Interrupted
from erm_alembic.version import __version__

__all__ = ["COMMANDS", "LazyCommand", "Terminated", "app", "run"]


@dataclass(frozen=True)
class LazyCommand:
    """One command of `erm`, by the module that has it.

    Args:
        name: what is typed after `erm`.
        summary: its line in `erm --help`.
        module: the module; it has either `app`, a group of commands, or `register(app)`, which adds one
            command of this name to the app that it is given.
    """

    name: str
    summary: str
    module: str

    def load(self) -> Any:
        """Import the module and return its command."""
        module = import_module(self.module)
        if hasattr(module, "register"):
            host = typer.Typer(add_completion=False, rich_markup_mode=None)
            module.register(host)
            return typer.main.get_group(host).commands[self.name]
        command = typer.main.get_group(module.app)
        command.name = self.name
        command.rich_markup_mode = None
        return command


COMMANDS: tuple[LazyCommand, ...] = (
    LazyCommand("migrate", "Plan, apply or roll back the project's revisions.", "erm_alembic.cli.migrate"),
    LazyCommand("release", "Release what is pending, from the plan to the report.", "erm_alembic.cli.release"),
    LazyCommand("status", "Show where a database stands.", "erm_alembic.cli.status"),
    LazyCommand("drift", "Show where database, history and models differ.", "erm_alembic.cli.drift"),
    LazyCommand("repair", "Show what is half done or damaged, and mend it.", "erm_alembic.cli.repair"),
    LazyCommand("history", "Show what was run on a database; restore a lost revision.", "erm_alembic.cli.history"),
    LazyCommand(
        "replicas", "Show a primary with its replicas, and who could answer a read.", "erm_alembic.cli.replicas"
    ),
    LazyCommand("observe", "Observe a database in use: is it worse than before?", "erm_alembic.cli.observe"),
    LazyCommand("doctor", "Check how project, database and replicas are set up.", "erm_alembic.cli.doctor"),
    LazyCommand("grants", "Print the least SQL that a role needs for this project.", "erm_alembic.cli.grants"),
    LazyCommand("init", "Start an Alembic project that erm runs.", "erm_alembic.cli.init"),
    LazyCommand("new", "Write an empty revision.", "erm_alembic.cli.new"),
    LazyCommand("gen", "Write a revision where models and database differ.", "erm_alembic.cli.gen"),
    LazyCommand(
        "import-sql", "Adopt the SQL scripts of golang-migrate, dbmate or Go's erm.", "erm_alembic.cli.import_sql"
    ),
    LazyCommand("baseline", "Write the first revision from a live database.", "erm_alembic.cli.baseline"),
    LazyCommand("squash", "Make one revision of many.", "erm_alembic.cli.squash"),
    LazyCommand("rebase", "Put a revision that came late on top; merge heads.", "erm_alembic.cli.rebase"),
    LazyCommand("smoke", "Run smoke tests on a database in use, rolled back.", "erm_alembic.cli.smoke"),
    LazyCommand("backup", "Take a backup, list them, look whether one is whole.", "erm_alembic.cli.backup"),
    LazyCommand("restore", "Bring a backup back, or lost data of it.", "erm_alembic.cli.restore"),
    LazyCommand("check", "Check the revision files, without a database.", "erm_alembic.cli.check"),
    LazyCommand("comment", "Show a plan on its pull request.", "erm_alembic.cli.comment"),
    LazyCommand("check-run", "Write a check run on GitHub, with a plan's findings.", "erm_alembic.cli.check_run"),
    LazyCommand("sign", "Sign a plan that is kept.", "erm_alembic.cli.sign"),
    LazyCommand("fetch-plan", "Fetch the approved plan of a merged pull request.", "erm_alembic.cli.fetch_plan"),
    LazyCommand("preview", "Make, list and drop a database for each pull request.", "erm_alembic.cli.preview"),
    LazyCommand("config", "Show what is configured, and where it came from.", "erm_alembic.cli.config"),
    LazyCommand("dev", "Run the embedded PostgreSQL server of this project.", "erm_alembic.cli.dev"),
)


# They change nothing in a database, so that there is nothing to say when they are ended.
ONLY_LOOKING = ("replicas", "observe", "doctor", "grants", "comment", "check-run", "sign", "fetch-plan")

# What a shell says of a program that was ended by SIGPIPE (13).
CLOSED_PIPE = 141

# New containers between two looks of the cyclic collector; the default is 700.
COLLECT_EVERY = 50_000


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would be: whoever cancels and rolls back on the one does so on the other.

    `signal_number` tells them apart.
    """

    signal_number = int(signal.SIGTERM)


class LazyGroup(TyperGroup):
    """The group of `COMMANDS`; it knows their names and summaries without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in self.commands:
            for command in COMMANDS:
                if command.name == cmd_name:
                    self.commands[cmd_name] = command.load()
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was typed; for a word of another tool, what to type instead."""
        if self.get_command(ctx, args[0]) is None:
            from erm_alembic.cli.guess import refuse_foreign_command

            refuse_foreign_command(args, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table for `erm --help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.summary) for command in COMMANDS])

    def invoke(self, ctx: Any) -> Any:
        """Invoke the command; a signal becomes an error with the exit code of that signal.

        So does a pipe that its reader has closed: `erm history | head` is no failure, and ends as other programs do.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(CLOSED_PIPE) from None
        except KeyboardInterrupt as interrupt:
            number = int(getattr(interrupt, "signal_number", signal.SIGINT))
            if ctx.invoked_subcommand in ONLY_LOOKING:
                raise typer.Exit(128 + number) from None
            raise Interrupted(
                f"Interrupted by {signal.Signals(number).name}.",
                signal_number=number,
                effect="What was under way was stopped; transactions that were not finished are rolled back.",
                cure="`erm status` shows where the database stands.",
            ) from interrupt


app = typer.Typer(
    cls=LazyGroup,
    name="erm",
    add_completion=True,
    # Typer's own tracebacks print local variables, and those hold passwords.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        console.write(f"erm {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def erm(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: VerboseOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Deploy database schema changes: plan, apply and roll back any Alembic project on PostgreSQL."""
    if context.invoked_subcommand is None:
        console.write(context.get_help() + "\n")


def _raise_on_sigterm(kept: Invocation) -> None:
    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        kept.signal_number = number
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def _wanted_format(arguments: Sequence[str] | None) -> str:
    """What was typed after `--format`: read from the words, for errors that come before the command has them.

    A format that the command does not know is none: nobody reads its results in it.
    """
    from erm_alembic.render.formats import formats_of

    words = list(sys.argv[1:] if arguments is None else arguments)
    words = words[: words.index("--")] if "--" in words else words
    joined = (word.removeprefix("--format=") for word in words if word.startswith("--format="))
    typed = next(joined, next((value for option, value in itertools.pairwise(words) if option == "--format"), ""))
    known = {each.name for each in formats_of(_typed_command(arguments).removeprefix("erm "))} | {"json"}
    return typed if typed in known else ""


def _typed_command(arguments: Sequence[str] | None) -> str:
    """The command that was typed, for the parser's complaints that do not know where they are."""
    words = sys.argv[1:] if arguments is None else arguments
    names = {command.name for command in COMMANDS}
    return next((f"erm {word}" for word in words if word in names), "erm")


def _told(error: ErmError, arguments: Sequence[str] | None, kept: Invocation) -> int:
    """Tell an error on stderr, and on stdout too where a program reads it; its exit code."""
    from erm_alembic.cli.typed import completed, typed_around

    error.cure = completed(error.cure, typed_around(sys.argv[1:] if arguments is None else arguments))
    console.print_error(error, verbose=kept.verbose)
    console.print_error_result(error, _wanted_format(arguments))
    return error.exit_code


def _defect(error: BaseException, arguments: Sequence[str] | None, kept: Invocation) -> int:
    unfit = _unfit()
    if unfit is not None:
        return _told(unfit, arguments, kept)
    told = console.print_defect(error, verbose=kept.verbose)
    console.print_error_result(told, _wanted_format(arguments))
    return 1


def _unfit() -> ErmError | None:
    """What was installed over erm's own requirements, and may be why something failed that does not say so."""
    from importlib.metadata import PackageNotFoundError, version

    from erm_alembic.revisions.alembic_version import too_old

    try:
        return too_old(version("alembic"))
    except PackageNotFoundError:
        return None


def _invoke(arguments: Sequence[str] | None, kept: Invocation) -> int:
    """Run the command line and return its exit code; every error has been told."""
    command = typer.main.get_command(app)
    try:
        use_log_format(wanted_log_format(arguments))
        result = command.main(args=arguments, prog_name="erm", standalone_mode=False, obj=kept)
    except ErmError as error:
        return _told(error, arguments, kept)
    except KeyboardInterrupt:
        return 128 + kept.signal_number
    except typer.Abort:
        console.note("Stopped: nothing was done.")
        return 1
    except Exception as error:
        from erm_alembic.cli.usage import usage_error

        usage = usage_error(error, _typed_command(arguments))
        return _defect(error, arguments, kept) if usage is None else _told(usage, arguments, kept)
    except SystemExit:
        raise
    except BaseException as error:  # never a raw traceback: it may quote a password
        return _defect(error, arguments, kept)
    # With standalone_mode off, `typer.Exit(code=N)` comes back as N; a command that just returns gives None.
    return result if isinstance(result, int) else 0


def _close_stdout() -> None:
    """Flush stdout, and leave nothing for the interpreter to flush into a pipe that nobody reads."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quiet_alembic(kept: Invocation) -> None:
    """Leave Alembic's own progress to -v: erm tells its own, and two of them tear the bar apart."""

    def wanted(record: logging.LogRecord) -> bool:
        return kept.verbose or record.levelno >= logging.WARNING

    for name in ("alembic.runtime.migration", "alembic.runtime.plugins"):
        logging.getLogger(name).addFilter(wanted)


def _spare_collector() -> None:
    """Let Python's cyclic collector look less often: its looking at every loaded module is a third of a start.

    At the end nothing is looked at at all: the memory goes back with the process.
    """
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `erm` and exit: the console script.

    Args:
        arguments: the command line without the program's name; the process's own when None.

    Raises:
        SystemExit: always, with the exit code of the command.
    """
    _spare_collector()
    console.prepare_streams()
    kept = Invocation()
    _raise_on_sigterm(kept)
    _quiet_alembic(kept)
    with console.tell_under_way():
        code = _invoke(arguments, kept)
    _close_stdout()
    leave_in_peace()
    sys.exit(code)


if __name__ == "__main__":
    run()
