"""Who gets through the pitfalls of reading from replicas: erm, advanced-alchemy, and the recipe of SQLAlchemy's docs.

python -m benchmarks.routing_peers [--write] [NUMBER ...]

Each pitfall is a scenario of the tests (tests/routing/peers/), run against each of them on a primary with two standbys.
advanced-alchemy is no dependency of the project: `pip install advanced-alchemy`.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import traceback
import warnings
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import ObjectDeletedError

from erm_alembic.postgres.embedded.binaries import find_binaries
from tests.routing.applications import application
from tests.routing.peers.adapters import Peer, peers
from tests.routing.peers.scenarios import PITFALLS, Pitfall
from tests.routing.peers.world import NotApplicable
from tests.routing.servers import Servers, three_servers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "routing.md"
BEGIN, END = "<!-- routing-peers:begin -->\n", "<!-- routing-peers:end -->"
DRIVER = "psycopg2"
_LONGEST = 110


def outcome(pitfall: Pitfall, peer: Peer, servers: Servers, *, told: bool) -> str:
    """What one of them makes of a pitfall: `passes`, `fails` or `n/a`, with the reason."""
    try:
        with application(servers, DRIVER) as app, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pitfall.run(peer, app)
        return "passes"
    except NotApplicable as lacks:
        return f"n/a: {lacks}"
    except Exception as error:
        if told:
            traceback.print_exc()
        return f"**fails**: {_reason(error)}"
    finally:
        servers.mend()


def _reason(error: Exception) -> str:
    words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if isinstance(error, ObjectDeletedError):
        words = "the row is not found (ObjectDeletedError)"
    elif not isinstance(error, AssertionError | DBAPIError):
        words = f"{type(error).__name__}: {re.sub(r'^.*<locals>[.]', '', words)}"
    return textwrap.shorten(re.sub(r"/tmp/\S+", "...", words).replace("|", "\\|"), _LONGEST, placeholder=" ...")


def table(asked: tuple[Peer, ...], found: dict[tuple[int, str], str], pitfalls: tuple[Pitfall, ...]) -> str:
    """The words and rows of the page."""
    passed = {peer.name: sum(found[each.number, peer.name] == "passes" for each in pitfalls) for peer in asked}
    head = (
        f"`python -m benchmarks.routing_peers` runs the same {len(pitfalls)} scenarios against each, on a primary with "
        f"two standbys, PostgreSQL {find_binaries().major}, SQLAlchemy {version('sqlalchemy')}, {DRIVER} and asyncpg, "
        "each configured as its documentation says: "
        + ", ".join(f"{peer.name} ({passed[peer.name]} passed)" for peer in asked)
        + "."
    )
    rows = [f"| | right | {' | '.join(peer.name for peer in asked)} |\n", "| --- " * (len(asked) + 2) + "|\n"]
    for each in pitfalls:
        cells = " | ".join(found[each.number, peer.name] for peer in asked)
        rows.append(f"| {each.number} | {each.right} | {cells} |\n")
    return textwrap.fill(head, 120, break_on_hyphens=False, break_long_words=False) + "\n\n" + "".join(rows)


def write(text: str) -> None:
    """Put the table between the marks of docs/routing.md."""
    page = PAGE.read_text("utf-8")
    marked = re.compile(f"({re.escape(BEGIN)}).*?({re.escape(END)})", re.DOTALL)
    PAGE.write_text(marked.sub(lambda match: f"{match[1]}{text}{match[2]}", page), "utf-8")


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing_peers", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/routing.md")
    parser.add_argument("numbers", type=int, nargs="*", metavar="NUMBER", help="only these, with all that went wrong")
    asked = parser.parse_args()
    if asked.write and (asked.numbers or len(peers()) < 3):
        sys.exit("The page wants all of the pitfalls, and advanced-alchemy: pip install advanced-alchemy")
    pitfalls = tuple(each for each in PITFALLS if not asked.numbers or each.number in asked.numbers)
    found = {}
    with three_servers(find_binaries()) as servers:
        for each in pitfalls:
            for peer in peers():
                found[each.number, peer.name] = outcome(each, peer, servers, told=bool(asked.numbers))
                print(each.number, peer.name, found[each.number, peer.name], file=sys.stderr)
    text = table(peers(), found, pitfalls)
    print(text, end="")
    if asked.write:
        write(text)


if __name__ == "__main__":
    main()
