"""`erm baseline`: a first revision from a live database, proven to make it again, and recorded where it holds."""

from __future__ import annotations

from erm_alembic.baseline.dump import Parts
from erm_alembic.baseline.recording import record_baseline
from erm_alembic.baseline.writing import write_baseline
from erm_alembic.planning.baselines import Baseline, Proof, RecordedBaseline

__all__ = ["Baseline", "Parts", "Proof", "RecordedBaseline", "record_baseline", "write_baseline"]
