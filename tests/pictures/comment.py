"""Markdown as GitHub shows it in a comment: its own renderer, and a style that is like GitHub's."""

from __future__ import annotations

import html

import cmarkgfm
from cmarkgfm.cmark import Options

__all__ = ["comment"]

STYLE = """
:root {
  color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --page: #ffffff; --line: #d1d9e0; --sunk: #f6f8fa;
  --link: #0969da;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f6fc; --soft: #9198a1; --page: #0d1117; --line: #3d444d; --sunk: #151b23; --link: #4493f8; }
}
body { background: var(--page); color: var(--ink); margin: 0; padding: 24px;
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
.comment { max-width: 780px; margin: auto; border: 1px solid var(--line); border-radius: 6px; }
.author { background: var(--sunk); border-bottom: 1px solid var(--line); padding: 8px 16px; color: var(--soft); }
.author b { color: var(--ink); }
.body { padding: 16px; overflow-wrap: break-word; }
.body > :first-child { margin-top: 0; } .body > :last-child { margin-bottom: 0; }
p, ul, ol, table, pre, details, blockquote { margin: 0 0 16px; }
ul, ol { padding-left: 2em; } li > ul { margin: 0; } li + li { margin-top: .25em; }
h1, h2, h3, h4 { margin: 24px 0 16px; font-weight: 600; line-height: 1.25; }
h1, h2 { padding-bottom: .3em; border-bottom: 1px solid var(--line); }
h2 { font-size: 1.5em; } h3 { font-size: 1.25em; } h4 { font-size: 1em; }
a { color: var(--link); text-decoration: none; }
code, pre { font: 12px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
code { background: var(--sunk); padding: .2em .4em; border-radius: 6px; }
pre { background: var(--sunk); padding: 16px; overflow: auto; border-radius: 6px; } pre code { padding: 0; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }
th, td { border: 1px solid var(--line); padding: 6px 13px; } tr:nth-child(2n) { background: var(--sunk); }
blockquote { padding: 0 1em; color: var(--soft); border-left: .25em solid var(--line); }
summary { cursor: pointer; }
"""


def comment(markdown: str) -> str:
    """A page with a comment on it.

    Args:
        markdown: what the comment says.
    """
    flags = Options.CMARK_OPT_UNSAFE  # what is HTML in it stays HTML, as on GitHub
    body = cmarkgfm.github_flavored_markdown_to_html(markdown, options=flags)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape("A comment")}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        '<body><div class="comment"><div class="author"><b>github-actions</b> commented</div>'
        f'<div class="body">{body}</div></div></body></html>'
    )
