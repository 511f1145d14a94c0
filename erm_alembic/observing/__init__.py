"""How a database in use is doing, and whether it is doing worse than before: what `erm observe` and a release look at.

The seam for others (all values are frozen; `target` is an opened `erm_alembic.target.Target`):

    sample = before(target, tables=("public.orders",))          a `Sample`, taken before something is changed
    observation = observe(target, before=sample, tables=...,    an `Observation`: findings, gaps, points
                          duration=timedelta(minutes=10),       None: `observe.for` of erm.yaml
                          told=lambda observation: ...,         hears of each sample, e.g. to store it
                          stop=threading.Event().is_set)        asked between samples
    text = observation_json(observation)                        to be kept, e.g. in the ledger
    observe(target, resumed=observation_of(text), ...)          goes on: what is observed already counts

`observation.is_worse` says whether anything became worse, `observation.is_complete` whether it has taken its time, and
`observation.findings` what became worse, each with its rule, severity, message and help. A server that does not answer
is a gap, never an exception. `sample_json` and `sample_of` keep the sample of before in the same way.
"""

from __future__ import annotations

from erm_alembic.observing.course import before, observe
from erm_alembic.observing.model import Gap, Observation, Point, ReplicaLag, Sample, StatementChange, Worsened
from erm_alembic.observing.storing import observation_json, observation_of, sample_json, sample_of

__all__ = [
    "Gap",
    "Observation",
    "Point",
    "ReplicaLag",
    "Sample",
    "StatementChange",
    "Worsened",
    "before",
    "observation_json",
    "observation_of",
    "observe",
    "sample_json",
    "sample_of",
]
