"""Write a lost revision file back, as it was when it was applied."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.errors import UsageError
from erm_alembic.ledger.model import AppliedSource
from erm_alembic.ledger.store import Ledger
from erm_alembic.revisions.source.sql_pair import parted

__all__ = ["restore_file"]


def restore_file(ledger: Ledger, revision: str, root: Path, out: Path | None) -> Path:
    """Write a revision's file from the ledger, with the SQL scripts that belong to it.

    Args:
        ledger: the ledger of a database where it was applied.
        revision: its id, whole or the beginning of it.
        root: the project's folder, which the recorded path counts from.
        out: where to write it; None means where it was.

    Returns:
        The file that was written.

    Raises:
        UsageError: the ledger does not know the revision, the id is ambiguous, the place is outside the project, or
            the file exists or cannot be written.
    """
    applied = _find(ledger.applied_sources(), revision)
    path = out.absolute() if out else (root / applied.path).resolve()
    source, scripts = parted(applied.source)
    if out is None and not path.is_relative_to(root.resolve()):
        raise UsageError(
            f"Revision {applied.revision} stood at {applied.path}, outside of this project.",
            effect="Nothing was written.",
            cure="Say where to write it: --out PATH.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        missing = {name: text for name, text in scripts.items() if not path.with_name(name).exists()}
        if not (missing and path.exists()):  # a revision written in SQL may have lost a script only
            with path.open("x", encoding="utf-8") as file:
                file.write(source)
        for name, text in missing.items():
            with path.with_name(name).open("xb") as script:
                script.write(text.encode("utf-8", "surrogateescape"))
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists.", effect="Nothing was written.", cure="Move it away, or say --out PATH."
        ) from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", effect="Nothing was written.", cure="Say --out PATH."
        ) from error
    return path


def _find(sources: dict[str, AppliedSource], revision: str) -> AppliedSource:
    matches = [applied for known, applied in sources.items() if known == revision] or [
        applied for known, applied in sources.items() if revision and known.startswith(revision)
    ]
    if len(matches) == 1:
        return matches[0]
    many = ", ".join(sorted(applied.revision for applied in matches))
    raise UsageError(
        f"{revision} could be {many}." if matches else f"The ledger does not know revision {revision}.",
        effect="Nothing was written.",
        cure="`erm history` lists the revisions that were applied through erm.",
    )
