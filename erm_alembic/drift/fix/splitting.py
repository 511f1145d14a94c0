"""Take apart what a snapshot tells in one text: quotes and brackets hold together what stands in them."""

from __future__ import annotations

__all__ = ["split_outside_quotes"]


def split_outside_quotes(text: str, separator: str) -> list[str]:
    r"""The parts of a text between separators that stand in no quotes and no brackets.

    Args:
        text: the text.
        separator: what stands between the parts.

    Example:
        >>> split_outside_quotes("'a, b', 'c''d'", ", ")
        ["'a, b'", "'c''d'"]
        >>> split_outside_quotes('"a b" numeric(10, 2)', " ")
        ['"a b"', 'numeric(10, 2)']
    """
    if not text:
        return []
    parts, start, depth, place = [], 0, 0, 0
    quote = ""
    while place < len(text):
        character = text[place]
        if quote:
            quote = "" if character == quote else quote  # a doubled one opens it again at once
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth == 0 and text.startswith(separator, place):
            parts.append(text[start:place])
            place += len(separator)
            start = place
            continue
        place += 1
    return [*parts, text[start:]]
