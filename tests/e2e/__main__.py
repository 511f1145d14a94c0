"""Play it, and tell it; exit 1 where something was not as it should be, 2 where it cannot be played here.

python -m tests.e2e [--rows N] [--observe DURATION] [--story FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.rehearsal import rehearse
from tests.e2e.story import WentWrong
from tests.support.secrecy import without_secrets


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e")
    parser.add_argument("--rows", type=int, default=os.environ.get("ERM_E2E_ROWS", 1_000_000), help="(1000000)")
    parser.add_argument("--observe", default="10s", help="how long each release observes the database (10s)")
    parser.add_argument("--story", type=Path, help="a file that gets the story too")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(arguments.story.open("w", encoding="utf-8")) if arguments.story else None
        try:
            figures = rehearse(arguments.rows, arguments.observe, file)
        except pytest.skip.Exception as missing:
            print(f"It cannot be played here: {missing}", file=sys.stderr)
            return 2
        except WentWrong as wrong:
            print(f"\nThe rehearsal failed: {without_secrets(str(wrong))}", file=sys.stderr)
            return 1
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
