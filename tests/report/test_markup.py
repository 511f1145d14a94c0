"""The elements that the page is made of."""

from __future__ import annotations

from erm_alembic.render.html.markup import element, prose


def test_attributes_are_escaped_and_may_be_left_out() -> None:
    """A quote does not end an attribute, and a line break is none."""
    assert element("a", title="\"><script>\n'", hidden=False, open=True, rel=None).markup == (
        '<a title="&quot;&gt;&lt;script&gt; &#x27;" open></a>'
    )


def test_a_backtick_that_nobody_closes_is_a_backtick() -> None:
    """Only what stands between two of them is code."""
    assert prose("`a` and `b").markup == "`a` and `b"
    assert prose("`<b>`").markup == "<code>&lt;b&gt;</code>"
