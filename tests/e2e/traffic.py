"""The service in a process of its own, and the tills and people that use it from the first act to the last."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from tests.support.cli import erm_environment
from tests.support.load.crew import Crew
from tests.support.load.truth import Answer, Truth
from tests.support.vault import free_port
from tests.support.waiting import until

__all__ = ["TILLS", "Traffic", "service", "traffic"]

TILLS = 3
# What the policy `fresh` of the service promises, in seconds.
MAX_LAG = 5.0
# How long each of them rests, in seconds.
REST = 0.03


@dataclass
class Traffic:
    """What the users of the service have done and seen.

    Args:
        address: of the service.
        truth: who wrote what, and whether each answer may be what was read.
        gifts: set while the messages on gifts are switched on.
    """

    address: str
    truth: Truth = field(default_factory=lambda: Truth(2.0))
    gifts: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    messages: Counter[tuple[int, int]] = field(default_factory=Counter)

    def ask(self, client: httpx.Client, method: str, path: str, **parameters: str | int) -> dict[str, object]:
        """One request; whatever is not an answer is an error that the users have seen."""
        began = time.monotonic()
        answer = client.request(method, f"{self.address}{path}", params=parameters)
        took = time.monotonic() - began
        self.slowest[method] = max(took, self.slowest.get(method, 0.0))
        if answer.status_code != 200:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        found: dict[str, object] = answer.json()
        return found

    def counted(self) -> dict[str, int]:
        """How much of each there was so far."""
        return dict(self.truth.counts)

    @property
    def wrong(self) -> list[str]:
        """All that must not be: errors, and answers that were older than was promised."""
        return [*self.errors, *self.truth.violations]


def _sell(seen: Traffic, crew: Crew, customers: int, till: int) -> None:
    """A till sells, and asks for its last sale at once: it must know it."""
    with httpx.Client(timeout=60) as client:
        while not crew.stopping.wait(REST):
            number = seen.truth.begin_write(till)
            try:
                seen.ask(client, "POST", f"/tills/{till}/sales/{number}", customer=number % customers + 1, cents=995)
                seen.truth.committed(till, number)
                seen.truth.count("sales")
                if seen.gifts.is_set():
                    seen.ask(client, "PUT", f"/tills/{till}/sales/{number}/gift", message=f"from till {till}")
                    seen.messages[till, number] += 1
                began = time.monotonic()
                told = seen.ask(client, "GET", f"/tills/{till}")
                _judge(seen, told, till, began, "its own sale", floor=number)
            except Exception as error:
                seen.errors.append(f"till {till}: {type(error).__name__}: {error}"[:600])


def _look(seen: Traffic, crew: Crew) -> None:
    """Somebody without a cookie looks at the tills: what they see is no older than the policy allows."""
    with httpx.Client(timeout=60) as client:
        while not crew.stopping.wait(REST):
            till = random.randrange(1, TILLS + 1)
            began = time.monotonic()
            try:
                told = seen.ask(client, "GET", f"/tills/{till}")
                _judge(seen, told, till, began, "no older than 5 s")
            except Exception as error:
                seen.errors.append(f"looking: {type(error).__name__}: {error}"[:600])


def _report(seen: Traffic, crew: Crew, customers: int) -> None:
    """Somebody asks what customers have bought, in reports that may be a little old."""
    with httpx.Client(timeout=60) as client:
        while not crew.stopping.wait(REST):
            try:
                told = seen.ask(client, "GET", f"/customers/{random.randrange(customers) + 1}/sales")
                seen.truth.count("answers of the primary" if told["from"] == "primary" else "answers of replicas")
                seen.truth.count("reports")
            except Exception as error:
                seen.errors.append(f"reporting: {type(error).__name__}: {error}"[:600])


def _judge(seen: Traffic, told: Mapping[str, object], till: int, began: float, asked: str, floor: int = 0) -> None:
    seen.truth.judge(Answer(till, int(str(told["number"])), began, str(told["from"]), asked, MAX_LAG, floor))


@contextmanager
def service(folder: Path, environ: Mapping[str, str | None], log: Path) -> Iterator[str]:
    """The service, listening on the loopback.

    Args:
        folder: its own checkout.
        environ: its variables.
        log: what it writes.

    Yields:
        Its address.
    """
    port = free_port()
    words = ["-m", "uvicorn", "--factory", "tills.service:application", "--port", str(port)]
    # A client on a busy machine may pause for longer than the five seconds after which a connection is closed.
    words += ["--timeout-keep-alive", "600", "--log-level", "warning"]
    with log.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=erm_environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            until(lambda: process.poll() is not None or _answers(address), log.read_text, 60)
            assert process.poll() is None, log.read_text()
            yield address
        finally:
            process.terminate()
            process.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/tills/1", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def traffic(address: str, customers: int) -> Iterator[Traffic]:
    """Tills that sell, and people who look and report, until the block ends.

    Args:
        address: of the service.
        customers: how many there are.
    """
    seen = Traffic(address)
    crew = Crew(seen.errors.append)
    for till in range(1, TILLS + 1):
        crew.thread(f"till {till}", partial(_sell, seen, crew, customers, till))
    for number in (1, 2):
        crew.thread(f"somebody {number}", partial(_look, seen, crew))
    crew.thread("reports", partial(_report, seen, crew, customers))
    with crew:
        yield seen
