"""`erm replicas`: a primary with its replicas, once or again and again."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from erm_alembic.cli import console
from erm_alembic.cli.live import WRAPS, frame
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.cli.signals import leave_at_next_signal
from erm_alembic.errors import TargetError, UsageError

if TYPE_CHECKING:
    from erm_alembic.routing.reporting.overview import Overview

__all__ = ["register", "replicas", "watch_seconds"]

EXAMPLES = """\b
Examples:
  erm replicas --env prod
  erm replicas --env prod --watch
  erm replicas --env prod --watch 0.5 --format json
"""

EVERY = "2"  # seconds, where --watch stands alone
WATCH = "--watch"


class _WatchCommand(TyperCommand):
    """Lets `--watch` stand alone: an option with a value that may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line."""
        followed = [not following.startswith("-") for following in args[1:]] + [False]
        words = [
            f"{WATCH}={EVERY}" if word == WATCH and not has_value else word
            for word, has_value in zip(args, followed, strict=False)
        ]
        parsed: list[str] = super().parse_args(ctx, words)
        return parsed


def watch_seconds(text: str) -> float:
    """How often to look, in seconds.

    Args:
        text: a number of seconds, or a duration.

    Raises:
        UsageError: it is neither, or nothing.

    Example:
        >>> watch_seconds("0.5"), watch_seconds("1m")
        (0.5, 60.0)
    """
    from erm_alembic.config.durations import parse_duration

    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parse_duration(text).total_seconds()
        except ValueError:
            seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise UsageError(
        f"--watch: {text!r} is no number of seconds above 0.",
        effect="Nothing was shown.",
        cure="Write it as in: --watch 2",
    )


def replicas(
    env: EnvironmentOption = None,
    watch: Annotated[
        str | None,
        typer.Option(WATCH, metavar="[SECONDS]", help=f"Look again and again, until Ctrl-C. Default: every {EVERY} s."),
    ] = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show a primary with its replicas: lag, slots, conflicts, and who could answer a read under which policy."""
    every = None if watch is None else watch_seconds(watch)
    leave_at_next_signal(WRAPS if every is not None and _redraws(format_) else "")
    from erm_alembic.config.loader import load_settings
    from erm_alembic.routing.configured import cluster_of
    from erm_alembic.routing.reporting.overview import Observer

    if not verbose:
        # The table says what changed; a line of the log would stand in the middle of it.
        logging.getLogger("erm_alembic.routing").setLevel(logging.CRITICAL)
    settings = load_settings(env, config)
    for line in settings.notes:
        console.note(line)
    with cluster_of(settings) as cluster, Observer(cluster) as observer:
        if every is not None:
            told: list[str] = []
            _watch(lambda: _shown(observer.look(), settings.environment, format_, told), every, format_)
        overview = observer.look()
    console.write(_shown(overview, settings.environment, format_))
    _refuse_silence(overview)


def _shown(overview: Overview, environment: str, format_: Format, told: list[str] | None = None) -> str:
    """One look.

    Args:
        overview: what there is to see.
        environment: the profile.
        format_: text or JSON.
        told: what could not be seen, as it was told last: with `--watch`, which tells it when it is another thing.
    """
    if format_ is Format.json:
        from erm_alembic.render.replicas_json import replicas_json

        return replicas_json(overview, environment, on_one_line=told is not None)
    from erm_alembic.render.replicas import replicas_text, unseen

    known = list(unseen(overview))
    is_news = told is None or known != told or _redraws(format_)
    if told is not None:
        told[:] = known
    return replicas_text(overview, environment, paint=console.painter(sys.stdout), tells_unseen=is_news)


def _redraws(format_: Format) -> bool:
    """Whether each look takes the place of the one before it."""
    return format_ is Format.text and console.wants_bar(sys.stdout)


def _refuse_silence(overview: Overview) -> None:
    """Without the primary nothing can be told of anybody's lag."""
    state = overview.primary.state
    if not state.reachable:
        raise TargetError(
            f"{overview.primary.url} cannot be reached: {state.problem}.",
            effect="How far its replicas are behind is not known, and reads that have a limit are refused or wait.",
            cure="Check that the server runs and listens there: `psql` with the same URL says the same.",
        )


def _watch(look: Callable[[], str], every: float, format_: Format) -> NoReturn:
    """Show one look after the other; a signal ends it with its own exit code, and without a word."""
    redraws = _redraws(format_)
    try:
        while True:
            begun = time.monotonic()
            shown = look()
            console.write(frame(shown) if redraws else shown if format_ is Format.json else f"{shown}\n")
            time.sleep(max(0.0, begun + every - time.monotonic()))
    except KeyboardInterrupt as interrupt:
        if redraws:
            console.write(WRAPS)  # a picture may have been cut short
        raise typer.Exit(128 + int(getattr(interrupt, "signal_number", signal.SIGINT))) from None


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("replicas", epilog=EXAMPLES, cls=_WatchCommand)(replicas)
