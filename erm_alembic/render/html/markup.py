"""Elements of a page: whatever is text is escaped where the element is made, so that nothing can be forgotten.

There is no way to hand markup in as text: a child is an element, or it is shown as it is written.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from erm_alembic.config.redaction import redact
from erm_alembic.render.safe import no_command, one_line

__all__ = ["Child", "Element", "element", "group", "number", "prose", "text"]

# Elements of HTML without an end tag; those of SVG have one all the same.
VOID = frozenset({"meta", "link", "br", "hr"})


@dataclass(frozen=True)
class Element:
    """A piece of a page that is markup.

    Args:
        markup: what stands in the file.
    """

    markup: str


Child = Element | str | int | None | Iterable["Child"]
"""What stands in an element: elements, texts, several of them; None is nothing."""


def text(value: str) -> str:
    r"""A text as it stands in the file: nothing of it is markup, no character of it is hidden, and secrets are.

    A page may go to the log of a pipeline, whose runner obeys lines that begin with two colons.

    Example:
        >>> text("<b>\x1b[2J")
        '&lt;b&gt;\\x1b[2J'
        >>> text("a\n ::error::b")
        'a\n &#58;:error::b'
    """
    lines = (html.escape(one_line(line.expandtabs(4))) for line in _lines(redact(value)))
    return "\n".join(line.replace(":", "&#58;", 1) if no_command(line) != line else line for line in lines)


def element(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Element:
    """An element with its attributes and what stands in it.

    Args:
        name: its name, such as `p`.
        *children: what stands in it.
        **attributes: their names with `_` for `-`, and one behind a name that Python has too (`class_`). None and False
            leave one out, True writes its name alone.

    Example:
        >>> element("a", "a < b", href="#x", class_="line").markup
        '<a href="#x" class="line">a &lt; b</a>'
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Element(f"<{name}{told}>")
    return Element(f"<{name}{told}>{_inside(children)}</{name}>")


def group(*children: Child) -> Element:
    """Several children as one, with nothing around them."""
    return Element(_inside(children))


def number(value: float) -> str:
    """A coordinate, to a hundredth.

    Example:
        >>> number(26000.0), number(1 / 3)
        ('26000', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _lines(value: str) -> list[str]:
    return value.replace("\r\n", "\n").split("\n")


def _inside(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Element):
        return child.markup
    if isinstance(child, str | int):
        return text(str(child))
    return "".join(_inside(each) for each in child)


def prose(value: str) -> Element:
    """A sentence in which what stands between backticks is code.

    Example:
        >>> prose("Run `erm status`.").markup
        'Run <code>erm status</code>.'
    """
    parts = value.split("`")
    if len(parts) % 2 == 0:  # one that nobody closes
        return group(value)
    return group(element("code", part) if at % 2 else part for at, part in enumerate(parts))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    written = number(value) if isinstance(value, float) else str(value)
    return f' {name}="{" ".join(text(written).split(chr(10)))}"'
