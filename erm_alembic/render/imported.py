"""What an import of another tool's SQL scripts did, or would do, as text."""

from __future__ import annotations

from erm_alembic.execute.stamp import Stamped
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted
from erm_alembic.revisions.sql.adopting import Adoption
from erm_alembic.revisions.sql.layouts import SourceDirectory
from erm_alembic.revisions.sql.taking_over import TakenOver

__all__ = ["import_text"]

SHOWN_GAPS = 5


def import_text(
    source: SourceDirectory,
    adoption: Adoption,
    *,
    written: bool,
    environment: str | None = None,
    taken: TakenOver | None = None,
    stamped: Stamped | None = None,
    paint: Paint = plain,
) -> str:
    """Each migration with the revision that it becomes, then what the database says.

    Args:
        source: the other tool's directory.
        adoption: the revisions that are made of it.
        written: whether the files were written; False was only a look.
        environment: the profile whose database was looked at.
        taken: what the other tool has run there.
        stamped: what became of the database.
        paint: gives colour; none by default.
    """
    lines = [paint(f"{source.layout.name}: {counted(len(source.migrations), 'migration')}", "strong")]
    width = max(len(step.version) for step in adoption.steps)
    for step in adoption.steps:
        word = "there" if step.state == "there" else "written" if written else "write"
        shown = paint(f"{word:8}", "dim" if word == "there" else "good")
        lines.append(f"  {shown} {step.version:<{width}}  {one_line(step.path)}")
        lines += [f"           {'':{width}}  {paint(one_line(note), 'warn')}" for note in step.notes]
    if source.left_out:
        lines.append(f"Left out, none of its scripts: {', '.join(map(one_line, source.left_out))}")
    if source.gaps:
        more = ", ..." if len(source.gaps) > SHOWN_GAPS else ""
        lines.append(
            f"Not in the sequence: {', '.join(map(str, source.gaps[:SHOWN_GAPS]))}{more}; revisions need no sequence."
        )
    lines += _database(environment, taken, stamped, paint)
    return "\n".join(lines) + "\n"


def _database(environment: str | None, taken: TakenOver | None, stamped: Stamped | None, paint: Paint) -> list[str]:
    if environment is None or taken is None:
        return ["No database was looked at: `--env NAME` takes over what the tool has run there."]
    name = one_line(environment)
    if taken.table is None:
        return [f"{name}: there is no such table; the tool has run nothing there."]
    table = one_line(taken.table)
    if taken.revision is None:
        return [f"{name}: {table} is empty; there is nothing to take over."]
    told = f"{name}: {table} says that {counted(len(taken.applied), 'migration')} ran, up to {taken.revision}"
    notes = [paint(f"  {one_line(note)}", "warn") for note in taken.notes]
    if stamped is None:
        return [f"{told}; alembic_version would record it.", *notes]
    said = {
        "stamped": f"; alembic_version and the ledger record it now. {table} is left as it is.",
        "already": "; alembic_version records it already. Nothing was changed.",
        "ahead": f"; alembic_version records more already ({', '.join(stamped.current)}). Nothing was changed.",
        "taken-back": "; erm has taken some of it back since, which that table does not know. Nothing was changed.",
        "nothing": ".",
    }
    return [paint(told + said[stamped.state], "good"), *notes]
