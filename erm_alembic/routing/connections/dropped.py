"""What nobody holds any more is closed without a word, as an engine of SQLAlchemy's is."""

from __future__ import annotations

import _thread
import contextlib
import logging
import threading
import weakref
from typing import Any

from erm_alembic.routing.connections.membership import Membership
from erm_alembic.routing.connections.reactions import Reactions
from erm_alembic.routing.watching.monitor import Monitor

__all__ = ["close_when_dropped"]

_log = logging.getLogger("erm_alembic.routing")


def close_when_dropped(holder: object, monitor: Monitor, reactions: Reactions | None, members: Membership) -> None:
    """End the threads and connections of something when nobody holds it any more.

    Args:
        holder: whom an application holds; none of the parts does.
        monitor: watches its servers.
        reactions: its timers; None where it has none.
        members: its servers.
    """
    weakref.finalize(holder, _let_go, monitor, reactions, members).atexit = False


def _let_go(monitor: Monitor, reactions: Reactions | None, members: Membership) -> None:
    # On any thread, in the middle of anything: nothing is waited for here, and no lock is taken, by threading either.
    with contextlib.suppress(RuntimeError):  # there are no threads any more, at the interpreter's end
        _thread.start_new_thread(_begin_to_close, (monitor, reactions, members))


def _begin_to_close(*parts: Any) -> None:
    """Go on on a thread that Python's own bookkeeping knows."""
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=_close, args=parts, name="erm-routing dropped", daemon=True).start()


def _close(monitor: Monitor, reactions: Reactions | None, members: Membership) -> None:
    try:
        monitor.close()
        if reactions is not None:
            reactions.stop()
        members.close()
    except Exception:  # nobody is there to hear of it
        _log.exception("a cluster that nobody holds any more could not be closed")
