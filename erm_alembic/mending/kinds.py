"""The kinds of damage: what each says, and the ways out of it. One function a kind."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.errors import ErmError
from erm_alembic.ledger.leftovers import InvalidIndex
from erm_alembic.ledger.model import AppliedSource
from erm_alembic.planning.damages import Damage, Exit
from erm_alembic.postgres.repairing import IdleHolder
from erm_alembic.revisions.facts import RevisionFacts

__all__ = [
    "edited_revision",
    "idle_lock",
    "invalid_index",
    "ledger_ahead",
    "ledger_behind",
    "lost_file",
    "lost_version",
    "missing_revision",
    "narrow_column",
    "overlapping_rows",
    "rows_twice",
    "run_without_end",
    "unreadable",
]

RESTORE = Exit("restore-file", "writes its file back as the ledger has it")
RECORD_TO = Exit("record", "records the revisions named with --to instead; runs nothing", ("to", "reason"))
NOT_IN_LEDGER = "The ledger does not have it: check out the branch that has the file."


def missing_revision(revision: str, source: AppliedSource | None, into: str | None) -> Damage:
    """A revision is recorded that no file declares."""
    if into is not None:
        return Damage(
            "missing-revision",
            revision,
            f"The database records {revision}, of which `erm squash` has made {into}, with others, since.",
            f"It has a part of what {into} makes. Bring it to {into} with the files kept in squashed/{into}.",
            (RECORD_TO,),
        )
    follows = "Nothing can be applied or taken back: what comes after it is not known."
    return Damage(
        "missing-revision",
        revision,
        f"The database records {revision}, and no file declares it.",
        follows if source is not None else f"{follows} {NOT_IN_LEDGER}",
        (*((RESTORE,) if source is not None else ()), RECORD_TO),
    )


def lost_file(source: AppliedSource) -> Damage:
    """The file of an applied revision is gone, and others build on it."""
    return Damage(
        "lost-file",
        source.revision,
        f"{source.path}, the file of revision {source.revision}, is gone, and the graph of revisions is broken.",
        "No command that reads the revisions works, Alembic's neither.",
        (RESTORE,),
    )


def unreadable(error: ErmError) -> Damage:
    """The revision files are no graph, and the ledger does not help."""
    return Damage("unreadable-files", "revisions", error.what, error.cure or "Correct the files by hand.")


def rows_twice(table: str, rows: Sequence[str]) -> Damage:
    """A revision is recorded twice."""
    return Damage(
        "rows-twice",
        table,
        f"{table} records {', '.join(rows)} more than once; its primary key is gone.",
        "Alembic expects one row when it records the next revision, and fails.",
        (Exit("drop-duplicates", "leaves one row of each"),),
        tuple(rows),
    )


def overlapping_rows(table: str, below: Sequence[str], tips: Sequence[str]) -> Damage:
    """A revision is recorded beside one that builds on it."""
    return Damage(
        "overlapping-rows",
        table,
        f"{table} records {', '.join(below)} beside {', '.join(tips)}, which builds on it.",
        "Alembic refuses to go up or down.",
        (
            Exit("drop-lower", f"leaves {', '.join(tips)}: where that was applied"),
            Exit(
                "record",
                f"leaves what --to names: {', '.join(below)}, where {', '.join(tips)} was not applied",
                ("to", "reason"),
            ),
        ),
        tuple(below),
    )


def lost_version(tips: Sequence[str]) -> Damage:
    """Nothing is recorded, although the ledger saw revisions applied."""
    named = ", ".join(tips)
    return Damage(
        "lost-version",
        named,
        f"The database records no revision, and has tables; the ledger saw {named} applied and not taken back.",
        "Apply would begin again from the first revision, and fail at the first table.",
        (Exit("record-ledger", f"records {named} again, as the ledger has it"), RECORD_TO),
    )


def narrow_column(table: str, width: int, longest: int) -> Damage:
    """The version table is too narrow for an id of the project."""
    return Damage(
        "narrow-column",
        table,
        f"{table}.version_num holds {width} characters, and the project has an id of {longest}.",
        "That revision runs whole and fails when it is recorded.",
        (Exit("widen", "makes it varchar(255); nothing is rewritten"),),
    )


def edited_revision(facts: RevisionFacts) -> Damage:
    """An applied revision has other code now."""
    return Damage(
        "edited-revision",
        facts.revision,
        f"{facts.path}: the code of {facts.revision} changed after it was applied.",
        "The database has what the old code did, a new one gets what the new code does.",
        (
            Exit("accept", "takes the code of now for what was applied: both must do the same", ("reason",)),
            Exit("restore-text", "writes the applied text back; the edited file is kept beside it as .edited"),
        ),
    )


def ledger_behind(revisions: Sequence[str]) -> Damage:
    """Revisions are recorded of which the ledger knows nothing."""
    return Damage(
        "ledger-behind",
        revisions[-1],
        f"The version table has {', '.join(revisions)}, and the ledger does not: plain `alembic` ran or stamped it.",
        "Nothing is wrong with the database; an edit of these files is not noticed, and no time is known.",
        (Exit("write-ledger", "writes them into the ledger with the files of now", ("reason",)),),
        tuple(revisions),
    )


def ledger_ahead(revisions: Sequence[str]) -> Damage:
    """The ledger has revisions as applied which are not recorded."""
    return Damage(
        "ledger-ahead",
        revisions[-1],
        f"The ledger has {', '.join(revisions)} as applied, and the version table does not: plain `alembic` took it "
        "back, or stamped something else.",
        "Where it is still in the database, apply would run it again and fail; `erm drift` shows that.",
        (
            Exit("write-ledger", "writes into the ledger that they were taken back", ("reason",)),
            Exit("record-ledger", "records them again, as the ledger has it", ("reason",)),
        ),
        tuple(revisions),
    )


def invalid_index(index: InvalidIndex) -> Damage:
    """A concurrent build left an index that nothing uses."""
    return Damage(
        "invalid-index",
        index.name,
        f"index {index.name} on {index.table} is INVALID: a concurrent build of it did not come to its end.",
        "Queries do not use it, each write pays for it; a unique one may refuse rows.",
        (
            Exit("drop-index", "drops it concurrently"),
            Exit("rebuild-index", "builds it again concurrently"),
        ),
    )


def run_without_end(runs: Sequence[int]) -> Damage:
    """Runs have no end in the ledger, and are not running."""
    named = ", ".join(map(str, sorted(runs)))
    return Damage(
        "run-without-end",
        named,
        f"Run {named} has no end in the ledger, and its session is gone: it was killed.",
        "Nothing: whoever deploys next writes that down.",
        (Exit("close-run", "writes it down now"),),
    )


def idle_lock(holder: IdleHolder) -> Damage:
    """Somebody holds the deploy lock and does nothing."""
    return Damage(
        "idle-lock",
        str(holder.pid),
        f"pid {holder.pid} ({holder.application or 'no application name'}) holds the deploy lock and is {holder.state} "
        f"for {int(holder.seconds)} seconds.",
        "Nobody can deploy. It may be a deployer whose machine is gone, or one that is stopped.",
        (Exit("end-session", "ends that session; what it has not committed is rolled back", ("reason",)),),
    )
