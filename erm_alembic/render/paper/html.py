"""A page as HTML: one file that loads nothing and runs nothing."""

from __future__ import annotations

from erm_alembic.render.html.document import head
from erm_alembic.render.html.markup import Element, element, prose
from erm_alembic.render.html.verdict import Verdict, verdict_section
from erm_alembic.render.paper.model import Paper, Section, Table
from erm_alembic.version import __version__

__all__ = ["paper_html"]


def paper_html(paper: Paper) -> str:
    """The page.

    Args:
        paper: what is to be shown.

    Example:
        >>> "<h1>Release 1</h1>" in paper_html(Paper("Release 1", "Done", "good"))
        True
    """
    facts = [[element("dt", label), element("dd", element("code", value))] for label, value in paper.facts]
    body = element(
        "body",
        element("header", element("h1", paper.title)),
        element(
            "main",
            verdict_section(Verdict(paper.role, paper.verdict, paper.more)),
            element("div", element("dl", facts), class_="difference") if facts else None,
            [_section(number, each) for number, each in enumerate(paper.shown, start=1)],
        ),
        element("footer", element("p", f"Made by erm {__version__}.")),
    )
    return f"<!doctype html>\n{element('html', head(paper.title), body, lang='en').markup}\n"


def _section(number: int, section: Section) -> Element:
    return element(
        "section",
        element("h2", section.title, id=f"s{number}"),
        [element("p", prose(sentence)) for sentence in section.prose],
        _table(section.table) if section.table is not None and section.table.rows else None,
        element("ul", [element("li", prose(item)) for item in section.items]) if section.items else None,
        element("pre", element("code", "\n".join(section.code))) if section.code else None,
        aria_labelledby=f"s{number}",
    )


def _table(table: Table) -> Element:
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", [element("th", name, scope="col") for name in table.head])),
            element("tbody", [element("tr", [element("td", cell) for cell in row]) for row in table.rows]),
        ),
        class_="wide",
    )
