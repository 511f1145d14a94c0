"""Several servers are asked the same, each at the address that it has now."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from erm_alembic.routing.reporting.inquiry import Inquiry
from tests.routing.servers import EAST, PATIENCE, Servers, frozen, until

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'erm routing'"


def who(cursor: Any) -> tuple[str, int]:
    """The server that answers, and its process."""
    cursor.execute("SELECT current_setting('data_directory'), pg_backend_pid()")
    where, pid = cursor.fetchone()
    return str(where), int(pid)


def test_a_server_that_has_moved_is_asked_where_it_is_now(newest_servers: Servers) -> None:
    """Though the connection to where it was still works; where nothing has changed, the connection is the same."""
    with Inquiry(who, PATIENCE) as inquiry:
        said = [inquiry.ask({EAST: each.url})[EAST] for each in (newest_servers.east, newest_servers.east)]
        assert said[0] == said[1]
        elsewhere = inquiry.ask({EAST: newest_servers.west.url})[EAST]
        assert elsewhere[0] == str(newest_servers.west.data_dir)
    for server in newest_servers.standbys.values():
        until(lambda server=server: server.execute(OURS) == [(0,)])


def test_who_is_not_asked_any_more_is_left(newest_servers: Servers) -> None:
    """No connection stays with a server that has gone from the list, nor is its name remembered."""
    with Inquiry(who, PATIENCE) as inquiry:
        inquiry.ask({"old": newest_servers.east.url})
        assert newest_servers.east.execute(OURS) == [(1,)]
        inquiry.ask({"new": newest_servers.west.url})
        until(lambda: newest_servers.east.execute(OURS) == [(0,)])
        assert set(inquiry._servers) == {"new"}


def test_a_connection_grows_old(newest_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may lead elsewhere by then, which its address does not tell."""
    with Inquiry(who, PATIENCE) as inquiry:
        first = inquiry.ask({EAST: newest_servers.east.url})[EAST]
        monkeypatch.setattr("erm_alembic.routing.reporting.inquiry._LIFETIME", -1.0)
        second = inquiry.ask({EAST: newest_servers.east.url})[EAST]
        assert (first[0], first[1] == second[1]) == (second[0], False)


def test_a_server_that_hung_is_asked_where_it_is_now(newest_servers: Servers) -> None:
    """Nobody waits for the answer from where it was, and its thread ends."""
    with Inquiry(who, 0.5) as inquiry:
        inquiry.ask({EAST: newest_servers.east.url})
        with frozen(newest_servers.east):
            assert inquiry.ask({EAST: newest_servers.east.url})[EAST] == "it did not answer within 0.5 s"
            line = inquiry._servers[EAST]
            # As one that is still about to connect: nothing can be cut.
            until(lambda: not line._hangs)
            gate = threading.Event()
            line._thread = threading.Thread(target=gate.wait, daemon=True)
            line._thread.start()
            said = inquiry.ask({EAST: newest_servers.west.url})[EAST]
            gate.set()
            assert said[0] == str(newest_servers.west.data_dir)


def test_an_interrupted_wait_leaves_the_question_under_way(newest_servers: Servers) -> None:
    """Ctrl-C in the middle of an answer: the server is neither asked a second time nor waited for."""
    asked: list[int] = []
    released = threading.Event()

    def question(_cursor: Any) -> str:
        asked.append(threading.get_ident())
        if len(asked) == 1:
            signal.raise_signal(signal.SIGINT)  # handled by the thread that waits
            released.wait(PATIENCE)
        return "said"

    with Inquiry(question, 0.5) as inquiry:
        with pytest.raises(KeyboardInterrupt):
            inquiry.ask({EAST: newest_servers.east.url})
        assert inquiry.ask({EAST: newest_servers.east.url})[EAST] == "it did not answer within 0.5 s"
        assert len(asked) == 1
        released.set()
