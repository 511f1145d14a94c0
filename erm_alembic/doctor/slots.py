"""Replication slots: what they keep the primary from removing."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.config.sizes import about
from erm_alembic.doctor.evidence import Evidence
from erm_alembic.doctor.model import Diagnosis, NotTold
from erm_alembic.postgres.server_facts import Slot

__all__ = ["slots"]

# Kept for nobody, so much is worth an alarm: it is what a disk may lack, in bytes.
ALARMING = 1 << 30


def slots(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Every slot is used by somebody, and none is lost."""
    for name, facts in evidence.each_server.items():
        if "pg_replication_slots" in facts.refused:
            yield NotTold(
                "Its replication slots may not be seen.",
                f"GRANT SELECT ON pg_replication_slots TO {facts.quoted_role}",
                name,
            )
        bounded = facts.settings.get("max_slot_wal_keep_size", "-1") != "-1"
        for slot in facts.slots:
            yield from _of_slot(slot, name, bounded)


def _of_slot(slot: Slot, server: str, bounded: bool) -> Iterator[Diagnosis]:
    drop = f"SELECT pg_drop_replication_slot({_literal(slot.name)})"
    if slot.wal_status == "lost" or slot.invalidation_reason is not None:
        why = f" ({slot.invalidation_reason})" if slot.invalidation_reason else ""
        yield Diagnosis(
            "error",
            f"The slot {slot.name!r} is lost{why}: the log that it needs has been removed.",
            "Whoever follows by it can go on no more.",
            f"Drop it ({drop}) and rebuild who followed by it.",
            server,
        )
    elif slot.wal_status == "unreserved":
        yield Diagnosis(
            "error",
            f"The slot {slot.name!r} is about to be lost: it holds back more than max_slot_wal_keep_size.",
            "At the next checkpoint the log that it needs is removed, and who follows by it has to be rebuilt.",
            "Let who follows by it catch up at once, or raise max_slot_wal_keep_size and reload.",
            server,
        )
    elif not slot.active and slot.held_bytes is not None:
        since = f", for {hours:.0f} hours now," if (hours := (slot.idle_seconds or 0) / 3600) >= 1 else ""
        yield Diagnosis(
            "error" if slot.held_bytes >= ALARMING else "warning",
            f"The slot {slot.name!r} is used by nobody{since} and holds back {about(slot.held_bytes)} of log.",
            "The server keeps all that is written from now on, until its disk is full and it stops."
            if not bounded
            else "Once it holds back more than max_slot_wal_keep_size, it is lost.",
            f"Bring back who follows by it, or drop it: {drop}"
            + ("" if bounded else "; a max_slot_wal_keep_size bounds what slots may keep."),
            server,
        )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
