"""`--report FILE`: the report of a run in files, each in the format that its ending says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli.options import refused
from erm_alembic.errors import ErmError
from erm_alembic.render.formats import FORMATS
from erm_alembic.render.safe import one_line, plain

if TYPE_CHECKING:
    from erm_alembic.errors import UsageError
    from erm_alembic.planning.model import Outcome, Plan
    from erm_alembic.render.presentation import Presentation

__all__ = ["ReportFiles", "ReportOption"]

NOTHING = "Nothing was planned, and nothing was written."
ENDINGS = {ending: each.name for each in FORMATS if "migrate" in each.commands for ending in each.endings}

ReportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help=f"Write the result to FILE as well, in the format of its ending: {', '.join(ENDINGS)}. Several times for "
        "several files.",
    ),
]


@dataclass(frozen=True)
class ReportFiles:
    """The files that a report is written to.

    Args:
        paths: where they are to stand.
    """

    paths: tuple[Path, ...] = ()

    def check(self, others: Sequence[Path | None]) -> None:
        """Make sure that each of them can be written, before anything is planned.

        Args:
            others: the files that the command reads or writes besides.

        Raises:
            UsageError: one of them cannot, or its ending says no format.
        """
        taken = {os.path.realpath(other) for other in others if other is not None}
        for path in self.paths:
            _format_of(path)
            real = os.path.realpath(path)
            if real in taken:
                raise _not_there(path, "is named twice", "Give each file a name of its own.")
            taken.add(real)
            _check_place(path)

    @contextmanager
    def missing_on_error(self) -> Iterator[None]:
        """Let an error of the block say that no report was written, and what stands there from before."""
        try:
            yield
        except ErmError as error:
            if self.paths:
                error.effect = f"{error.effect} {self._missing()}".strip()
            raise

    def _missing(self) -> str:
        named = ", ".join(one_line(str(path)) for path in self.paths)
        older = [one_line(str(path)) for path in self.paths if path.exists()]
        said = f" {', '.join(older)} {'is' if len(older) == 1 else 'are'} of an earlier run." if older else ""
        return f"No report was written to {named}.{said}"

    def write(self, plan: Plan, outcome: Outcome | None, how: Presentation) -> ErmError | None:
        """Write all of them.

        Args:
            plan: the plan.
            outcome: how it ended, or None.
            how: how it is shown; without colour.

        Returns:
            The error of the first that could not be written; the others are.
        """
        from erm_alembic.planning.private_file import write_private
        from erm_alembic.render.formats import render

        failed: list[ErmError] = []
        shown = replace(how, paint=plain, watched=False, verbose=True)
        for path in self.paths:
            text = render(_format_of(path), plan, plan.findings, outcome, shown)
            try:
                write_private(path, text.encode("utf-8", "backslashreplace"))
            except OSError as error:
                failed.append(_not_written(path, error, outcome))
        return failed[0] if failed else None


def _format_of(path: Path) -> str:
    """The name of the format that the file's ending says; the longest ending counts.

    Raises:
        UsageError: it says none.
    """
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return ENDINGS[ending]
    known = ", ".join(ENDINGS)
    raise _not_there(path, "does not say by its ending in which format", f"Let it end in one of: {known}")


def _check_place(path: Path) -> None:
    from erm_alembic.planning.approved_plan import is_plan_file
    from erm_alembic.planning.plan_file import read_plan_file
    from erm_alembic.planning.private_file import can_write_in

    try:
        found = path.lstat()
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise _not_there(path, f"cannot be written: {_reason(error)}", "Name another file.") from None
    if found is not None and stat.S_ISLNK(found.st_mode):
        raise _not_there(path, "is a symbolic link", "Name the file itself.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise _not_there(path, "exists and is no ordinary file", "Name another file.")
    if found is not None and path.suffix == ".json" and is_plan_file(read_plan_file(path)):
        raise _not_there(path, "is an approved plan", "Name another file; --out writes a plan anew.")
    if not path.parent.is_dir():
        raise _not_there(path, "is in a folder that does not exist", f"Make it: mkdir -p {one_line(str(path.parent))}")
    if (problem := can_write_in(path)) is not None:
        raise _not_there(path, f"cannot be written: {_reason(problem)}", "Name a file in another folder.")


def _not_there(path: Path, why: str, cure: str) -> UsageError:
    return refused(f"--report {one_line(str(path))} {why}.", cure, NOTHING)


def _not_written(path: Path, error: OSError, outcome: Outcome | None) -> ErmError:
    ended = "The plan was made." if outcome is None else "The command itself was carried out."
    return ErmError(
        f"The report cannot be written to {one_line(str(path))}: {_reason(error)}.",
        effect=f"{ended} An older report in its place is what it was.",
        cure="Make room, or name another file; `erm status` and `erm history` show what was done.",
    )


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
