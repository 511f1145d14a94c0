"""A page as Markdown: it may be put into a ticket or a wiki, and nothing in it acts there."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.config.redaction import redact
from erm_alembic.render.markdown.inert import code, fenced, prose
from erm_alembic.render.paper.model import Paper, Section, Table
from erm_alembic.render.safe import block

__all__ = ["paper_markdown"]

WIDTH = 2000


def paper_markdown(paper: Paper) -> str:
    """The page.

    Args:
        paper: what is to be shown.

    Example:
        >>> print(paper_markdown(Paper("Release 1", "Done", "good")), end="")
        # Release 1
        <BLANKLINE>
        **Done**
    """
    lines = [f"# {prose(redact(paper.title))}", "", f"**{_plain(paper.verdict)}**"]
    lines += ["", _plain(paper.more)] if paper.more else []
    if paper.facts:
        lines += ["", *(f"- {label}: {code(redact(value), WIDTH)}" for label, value in paper.facts)]
    for section in paper.shown:
        lines += ["", f"## {section.title}", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    for sentence in section.prose:
        yield ""
        yield _plain(sentence)
    if section.table is not None and section.table.rows:
        yield ""
        yield from _table(section.table)
    if section.items:
        yield ""
        yield from (f"- {_plain(item)}" for item in section.items)
    if section.code:
        yield ""
        yield from fenced([line for text in section.code for line in block(redact(text))], section.language)


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.head)} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(code(redact(cell), WIDTH) if cell else '' for cell in row)} |"


def _plain(sentence: str) -> str:
    return prose(redact(sentence), WIDTH)
