"""`erm observe`: how a database in use is doing, live, and whether it does worse than before."""

from __future__ import annotations

import logging
import signal
import sys
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.live import WRAPS, columns_of, frame, takes_bars
from erm_alembic.cli.log_format import LogFormatOption
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, VerboseOption
from erm_alembic.cli.signals import leave_at_next_signal
from erm_alembic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from erm_alembic.observing import Observation
    from erm_alembic.target import Target

__all__ = ["observe", "register"]

EXAMPLES = """\b
Examples:
  erm observe --env prod
  erm observe --env prod --for 10m --interval 30s --check
  erm observe --env prod --look-at public.orders --format json
"""
WIDTH = 80


class ObserveFormat(StrEnum):
    """How what is observed is printed."""

    text = "text"
    json = "json"
    jsonl = "jsonl"


class _Shown:
    """What is shown of an observation while it grows, and at its end.

    Args:
        format_: how.
    """

    def __init__(self, format_: ObserveFormat) -> None:
        self._format = format_
        self._redraws = format_ is ObserveFormat.text and console.wants_bar(sys.stdout)
        self.observation: Observation | None = None

    @property
    def last_words(self) -> str:
        """What the terminal is told when the command is ended at once."""
        return WRAPS if self._redraws else ""

    def look(self, observation: Observation) -> None:
        """Show what was observed so far."""
        self.observation = observation
        if self._redraws:
            console.write(frame(self._text(observation, is_under_way=True)))
        elif self._format is ObserveFormat.text:
            from erm_alembic.render.observation import observation_line

            console.write(observation_line(observation) + "\n")
        elif self._format is ObserveFormat.jsonl:
            from erm_alembic.render.observation_json import sample_line

            console.write(sample_line(observation))

    def end(self) -> None:
        """Show what was observed in all."""
        if self.observation is None:
            return
        if self._format is ObserveFormat.text:
            begin = "\x1b[H\x1b[J" + WRAPS if self._redraws else "\n"
            console.write(begin + self._text(self.observation, is_under_way=False))
            return
        from erm_alembic.render.observation_json import observation_json_text

        on_one_line = self._format is ObserveFormat.jsonl
        console.write(observation_json_text(self.observation, on_one_line=on_one_line))

    @staticmethod
    def _text(observation: Observation, *, is_under_way: bool) -> str:
        from erm_alembic.render.observation import observation_text

        return observation_text(
            observation,
            paint=console.painter(sys.stdout),
            columns=columns_of(sys.stdout, WIDTH),
            ascii_only=not takes_bars(sys.stdout),
            is_under_way=is_under_way,
        )


def observe(
    env: EnvironmentOption = None,
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="How long to observe. Default: observe.for (10m)."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="DURATION", help="How often to look. Default: observe.interval (5s)."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--look-at", metavar="TABLE", help="A table to look at in any case; several times for several."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when it became worse.")] = False,
    format_: Annotated[
        ObserveFormat,
        typer.Option("--format", help="json prints one object at the end, jsonl one line for each look besides."),
    ] = ObserveFormat.text,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Observe a database in use: locks, lag, errors, slow statements; and say what became worse."""
    wanted, every = _duration("--for", duration), _duration("--interval", interval)
    shown = _Shown(format_)
    leave_at_next_signal(shown.last_words)
    if not verbose:  # of the monitor of replicas: what it tells is in the picture
        logging.getLogger("erm_alembic.routing").setLevel(logging.CRITICAL)
    from erm_alembic.config.loader import load_settings
    from erm_alembic.observing import observe as look_again
    from erm_alembic.target import open_target

    target = open_target(load_settings(env, config))
    try:
        look_again(target, tables=table or (), duration=wanted, interval=every, told=_telling(target, shown))
    except KeyboardInterrupt as interrupt:
        shown.end()
        raise typer.Exit(128 + int(getattr(interrupt, "signal_number", signal.SIGINT))) from None
    shown.end()
    if check and shown.observation is not None and shown.observation.is_worse:
        raise typer.Exit(1)


def _telling(target: Target, shown: _Shown) -> Callable[[Observation], None]:
    """Who hears of each look: whoever reads the screen, and Prometheus where that is configured."""
    if target.settings.telemetry.prometheus_textfile is None:
        return shown.look
    from erm_alembic.telemetry.textfile import observed

    def look(observation: Observation) -> None:
        observed(target, observation)
        shown.look(observation)

    return look


def _duration(option: str, text: str | None) -> timedelta | None:
    """A duration that was typed.

    Raises:
        UsageError: it is none, or nothing.
    """
    if text is None:
        return None
    from erm_alembic.config.durations import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", effect="Nothing was observed.", cure=_as_in(option)) from None
    if found <= timedelta(0):
        raise UsageError(f"{option} {text} is no time at all.", effect="Nothing was observed.", cure=_as_in(option))
    return found


def _as_in(option: str) -> str:
    return f"Write it as in: {option} {'10m' if option == '--for' else '5s'}"


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("observe", epilog=EXAMPLES)(observe)
