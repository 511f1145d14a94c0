"""The pages of docs/checks: what a rule is about, for formats that carry help along."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from erm_alembic.checks.listing import PAGES, listed_rules
from erm_alembic.checks.squawk_rules import FAMILY, of_squawk

__all__ = ["Page", "documentation", "page_of"]

DISTRIBUTION = "erm-alembic"


@dataclass(frozen=True)
class Page:
    """What there is to read of a rule.

    Args:
        summary: what it objects to, in a few words.
        address: where its page is on the web; None where the project has told no address.
        text: its page, as Markdown; empty where this installation has none.
    """

    summary: str
    address: str | None
    text: str


@cache
def page_of(rule: str) -> Page:
    """The page of a rule.

    Args:
        rule: the rule's id.

    Example:
        >>> page_of("squawk/ban-drop-column").address
        'https://squawkhq.com/docs/ban-drop-column'
    """
    name = of_squawk(rule)
    if name:
        return Page(f"squawk's rule {name}", f"{PAGES}{name}", _text(FAMILY))
    summaries = {each.rule: each.summary for each in listed_rules({})}
    base = documentation()
    known = rule in summaries
    return Page(
        summaries.get(rule, ""),
        f"{base.rstrip('/')}/checks/{rule}.md" if base is not None and known else None,
        _text(rule) if known else "",
    )


def documentation() -> str | None:
    """Where the documentation is on the web, by `project.urls` of the distribution; None where that has none."""
    try:
        told = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    pairs = (url.partition(",") for url in told)
    return next((address.strip() for name, _, address in pairs if name.strip().lower() == "documentation"), None)


def _text(page: str) -> str:
    """The page beside the package (in the wheel) or beside its folder (in a checkout)."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "docs", package.parent / "docs"):
        file = folder / "checks" / f"{page}.md"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return ""
