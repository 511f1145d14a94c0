"""The format `html`: a page of its own, for a browser, a phone, or the artifacts of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erm_alembic.findings import Finding
    from erm_alembic.planning.model import Outcome, Plan
    from erm_alembic.render.presentation import Presentation

__all__ = ["report"]


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """A plan as a page; only `erm migrate` knows this format.

    Args:
        plan: the plan.
        findings: what the checks say.
        outcome: how its run ended, or None.
        how: of which the places of files are taken.
    """
    from erm_alembic.render.html.page import render_html

    assert plan is not None
    return render_html(plan, outcome, findings=findings, places=how.places)
