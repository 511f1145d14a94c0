"""Whom a run tells what it does, besides the terminal: logs, OpenTelemetry, Prometheus.

All of them hear the one stream of events that `erm_alembic.execute.progress` is; `LISTENERS` names them. None of them
may fail a run, and nothing is loaded for one that nobody set up.
"""

from __future__ import annotations

from erm_alembic.telemetry.listening import LISTENERS, told

__all__ = ["LISTENERS", "told"]
