"""The page as a whole: one file that loads nothing, runs nothing, and says so to the browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from erm_alembic.findings import Finding, blocking
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.planning.terms import plan_digest
from erm_alembic.render.html.document import head
from erm_alembic.render.html.ending import ending_section
from erm_alembic.render.html.findings import drift_section, findings_section, losses_section
from erm_alembic.render.html.graph import graph_section
from erm_alembic.render.html.locks import locks_section
from erm_alembic.render.html.markup import Element, element
from erm_alembic.render.html.steps import steps_section
from erm_alembic.render.html.tables import tables_section
from erm_alembic.render.html.verdict import facts_of, verdict_of, verdict_section
from erm_alembic.render.places import Places
from erm_alembic.render.rehearsal import rehearsal_lines
from erm_alembic.render.verdict import what_it_is
from erm_alembic.render.words import counted
from erm_alembic.version import __version__

__all__ = ["render_html"]


def render_html(
    plan: Plan,
    outcome: Outcome | None = None,
    *,
    findings: tuple[Finding, ...] | None = None,
    places: Places | None = None,
    made_at: datetime | None = None,
) -> str:
    """A plan, and how it ended, as a page of its own.

    Args:
        plan: the plan.
        outcome: how its apply or rollback ended, or None.
        findings: what the checks say; None for the plan's own.
        places: where files stand in the repository.
        made_at: the time that the page says; now, where it is None.

    Example:
        >>> page = render_html(Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ()))
        >>> "<h2 id=\\"verdict\\">Nothing to apply</h2>" in page
        True
    """
    found = plan.findings if findings is None else findings
    where = places or Places()
    verdict = verdict_of(plan, outcome)
    was = "" if outcome is None else ", as it was planned"
    said = ("findings", "Findings", "What the checks say", findings_section(plan, found, where))
    sections = (
        *([said] if blocking(found) else []),
        ("outcome", "Ending", "How it ended", ending_section(plan, outcome)),
        ("losses", "Losses", "What would be lost", losses_section(plan)),
        ("locks", "Locks", f"Who is blocked, and for how long{was}", locks_section(plan)),
        ("tables", "Tables", f"The tables{was}", tables_section(plan)),
        *([] if blocking(found) else [said]),
        ("revisions", "Revisions", "What runs", steps_section(plan, outcome, where)),
        ("graph", "History", "Where this stands in the history", graph_section(plan, outcome)),
        ("drift", "Drift", "Where database, history and models differ", drift_section(plan)),
        ("basis", "Basis", "What this rests on", _basis(plan)),
    )
    shown = [(name, short, title, content) for name, short, title, content in sections if content is not None]
    body = element(
        "body",
        element("a", "To the verdict", href="#verdict", class_="skip"),
        _header(plan, outcome),
        element(
            "main",
            verdict_section(verdict),
            facts_of(plan, outcome),
            _contents(shown),
            [_section(*each) for each in shown],
        ),
        _footer(plan, made_at or datetime.now(UTC)),
    )
    title = f"{verdict.what}: {plan.environment}"
    return f"<!doctype html>\n{element('html', head(title), body, lang='en').markup}\n"


def _header(plan: Plan, outcome: Outcome | None) -> Element:
    return element(
        "header",
        element("h1", element("span", what_it_is(plan, outcome), class_="what"), " ", plan.environment),
        element("p", element("code", plan.database_url), " ", element("span", f"PostgreSQL {plan.server_version}")),
    )


def _contents(shown: list[tuple[str, str, str, Element]]) -> Element | None:
    links = [element("li", element("a", short, href=f"#{name}")) for name, short, _, _ in shown]
    return element("nav", element("ul", links), aria_label="On this page") if len(links) > 1 else None


def _section(name: str, _short: str, title: str, content: Element) -> Element:
    return element(
        "section", element("h2", title, id=f"{name}-title"), content, id=name, aria_labelledby=f"{name}-title"
    )


def _basis(plan: Plan) -> Element | None:
    """What was asked for, whether it was rehearsed, and on what."""
    told = [element("p", f"{line[:1].upper()}{line[1:]}.") for line in _asked(plan)]
    lines = [line.removeprefix("Shadow").strip() for line in rehearsal_lines(plan)]
    if lines:
        first, *notes = lines
        told.append(element("p", f"{first[:1].upper()}{first[1:]}."))
        told += [element("ul", [element("li", note) for note in notes], class_="notes")] if notes else []
    if plan.rehearsal is not None and plan.rehearsal.status == "done":
        how = "The rehearsal ran each revision in a scratch database; times are reckoned with the sizes on the target."
        told.append(element("p", how, class_="said"))
    return element("div", told) if told else None


def _asked(plan: Plan) -> Iterator[str]:
    to = plan.request.to if plan.request is not None else None
    if to is not None and to != "heads":
        yield f"planned to end at {to}"
    if plan.exempted:
        yield f"of the down scripts, safety.downgrades_since exempts {counted(plan.exempted, 'revision')}"


def _footer(plan: Plan, made_at: datetime) -> Element:
    when = made_at.astimezone(UTC)
    return element(
        "footer",
        element(
            "p",
            f"Made by erm {__version__} on ",
            element("time", f"{when:%Y-%m-%d %H:%M} UTC", datetime=when.isoformat(timespec="seconds")),
            ".",
        ),
        element("p", "Digest of the plan: ", element("code", plan_digest(plan))),
    )
