"""Who hears of a run: the terminal, and whoever else was set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError, Interrupted, Refused
from erm_alembic.execute.progress import Progress, SeveralProgress
from erm_alembic.planning.model import Outcome
from erm_alembic.target import Target
from erm_alembic.telemetry.log_events import logged
from erm_alembic.telemetry.spans import traced
from erm_alembic.telemetry.textfile import written

__all__ = ["LISTENERS", "told"]


# Each gives a progress for what is run on a database; None where nobody listens.
LISTENERS: tuple[Callable[[Target], Progress | None], ...] = (traced, logged, written)


@contextmanager
def told(target: Target, progress: Progress | None) -> Iterator[SeveralProgress]:
    """Let all who listen hear of a run, for as long as the block lasts; its end is told whatever ends it.

    Args:
        target: the database.
        progress: who watches besides, such as the terminal.
    """
    found = [listener(target) for listener in LISTENERS]
    watched = SeveralProgress(*(each for each in (*found, progress) if each is not None))
    try:
        yield watched
    except BaseException as error:
        watched.run_finished(_ended_by(error))
        raise


def _ended_by(error: BaseException) -> Outcome:
    """What ends a run before its outcome is known: a lock that is not had, a server that is away, a signal."""
    said = redact(error.what) if isinstance(error, ErmError) else type(error).__name__
    if isinstance(error, Refused):
        return Outcome("refused", error=said, current_known=False)
    interrupted = isinstance(error, (KeyboardInterrupt, Interrupted))
    return Outcome("interrupted" if interrupted else "failed", error=said, current_known=False)
