"""`python -m erm_alembic`: the same as the console script `erm`, for a Python that is not on PATH."""

from __future__ import annotations

from erm_alembic.cli.main import run

if __name__ == "__main__":
    run()
