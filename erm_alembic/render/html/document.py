"""What every page begins with: it loads nothing but its own style, runs nothing, and says so to the browser."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from erm_alembic.render.html.markup import Element, element, text
from erm_alembic.render.safe import one_line
from erm_alembic.version import __version__

__all__ = ["head"]


@cache
def _style() -> str:
    return files("erm_alembic.render.html").joinpath("report.css").read_text(encoding="utf-8").strip()


def head(title: str) -> Element:
    """The head of a page: its style is known by its hash, and no script is let run.

    Args:
        title: what the browser's window is called.
    """
    style = _style()
    known_by = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{known_by}'; base-uri 'none'; form-action 'none'"
    # The style is ours, and its hash is that of exactly this text.
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("meta", name="generator", content=f"erm {__version__}"),
        Element(f"<title>{text(one_line(title))}</title>"),
        Element(f"<style>{style}</style>"),
    )
