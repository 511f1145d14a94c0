"""What became of a baseline, as text and as JSON (`erm baseline`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.planning.baselines import Baseline, Proof, RecordedBaseline
from erm_alembic.planning.model import Drift
from erm_alembic.render.drift import drift_lines
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted, target_line

__all__ = ["baseline_json", "baseline_text", "proof_lines", "recorded_text"]

STATES = {
    "recorded": "The database is recorded as being at {revision} (run {run}).",
    "already": "The database records {revision} already. Nothing was changed.",
    "ahead": "The database records more than {revision} already. Nothing was changed.",
    "looked": "The database is not recorded as being at {revision}.",
}


def baseline_text(baseline: Baseline, shown: Sequence[str], paint: Paint = plain) -> str:
    """The files that were written, and what came of the proof.

    Args:
        baseline: what became of the live schema.
        shown: its files as they may be typed.
        paint: gives colour; none by default.
    """
    lines = [target_line(baseline.environment, baseline.database_url, baseline.server_version, paint)]
    lines += [f"  {paint('written', 'good')}  {path}" for path in shown]
    lines += [f"  {paint('note', 'warn')}     {one_line(redact(note))}" for note in baseline.notes]
    lines += proof_lines(baseline.proof, paint) if baseline.proof is not None else []
    return "\n".join(lines) + "\n"


def proof_lines(proof: Proof, paint: Paint = plain) -> list[str]:
    """What came of comparing a live database with what revisions make.

    Args:
        proof: the comparison.
        paint: gives colour; none by default.
    """
    notes = [f"  {paint(one_line(note), 'dim')}" for note in proof.notes]
    if proof.verdict == "unknown":
        return [paint(f"Not proven: {one_line(redact(proof.reason or 'the shadow cannot be had'))}", "bad"), *notes]
    if proof.verdict == "same":
        return [paint("Proven: replayed in a shadow, it makes what the database has. No drift.", "good"), *notes]
    lines = []
    if proof.wrong:
        lines += [paint(f"It does not make what the database has: {counted(len(proof.wrong), 'difference')}.", "bad")]
        lines += drift_lines(list(proof.wrong), paint)
    else:
        lines += [paint("Proven: replayed in a shadow, it makes the schema that the database has.", "good")]
    if proof.other:
        lines += [f"Not in it, because it belongs to an environment: {counted(len(proof.other), 'difference')}."]
        lines += _short(proof.other, paint)
    return [*lines, *notes]


def _short(drift: Sequence[Drift], paint: Paint) -> list[str]:
    named = dict.fromkeys((each.kind, each.object) for each in drift)
    return [f"  {paint(one_line(kind), 'warn')} {one_line(name)}" for kind, name in named]


def recorded_text(recorded: RecordedBaseline, paint: Paint = plain) -> str:
    """What became of a database, in one line.

    Args:
        recorded: what became of it.
        paint: gives colour; none by default.
    """
    said = STATES[recorded.state].format(revision=one_line(recorded.revision), run=recorded.run_id)
    return paint(said, "warn" if recorded.state == "looked" else "good") + "\n"


def baseline_json(baseline: Baseline | None, recorded: RecordedBaseline | None) -> str:
    """One object; keys are added, never renamed.

    Args:
        baseline: what became of the live schema; None where only a database was recorded.
        recorded: what became of the database; None where it was not asked for.
    """
    of = baseline if baseline is not None else recorded
    assert of is not None
    proof = of.proof
    return result_document(
        {
            "environment": of.environment,
            "database": {"url": of.database_url, "server_version": of.server_version},
            "revision": of.revision,
            "files": [] if baseline is None else [_typed(path) for path in baseline.files],
            "notes": [] if baseline is None else list(baseline.notes),
            "proof": None if proof is None else _proof(proof),
            "state": None if recorded is None else recorded.state,
            "run": None if recorded is None else recorded.run_id,
        }
    )


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "holds": proof.holds,
        "verdict": proof.verdict,
        "reason": None if proof.reason is None else redact(proof.reason),
        "wrong": plain_value(proof.wrong),
        "other": plain_value(proof.other),
        "notes": list(proof.notes),
    }


def _typed(path: Path) -> str:
    return path.as_posix()
