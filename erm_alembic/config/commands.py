"""Commands as they stand in erm.yaml: a text that is split as a shell would split it, or a list of words."""

from __future__ import annotations

import shlex

__all__ = ["parse_command"]


def parse_command(value: object) -> str:
    """Read a command into the one form that `shlex.split` takes apart again; no shell ever sees it.

    Args:
        value: a text, or a list of words.

    Raises:
        ValueError: it is neither, is empty, has a quote that is not closed, or a character that no command can hold.

    Example:
        >>> parse_command("./notify.sh 'two words'"), parse_command(["sh", "-c", "echo $ERM_ENV"])
        ("./notify.sh 'two words'", "sh -c 'echo $ERM_ENV'")
    """
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError:
            raise ValueError("the command has a quote that is not closed") from None
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = list(value)
    else:
        raise ValueError("a command is a text, or a list of its words")
    if not words or not words[0]:
        raise ValueError("the command is empty")
    if any("\x00" in word for word in words):
        raise ValueError("the command has a NUL character")
    return shlex.join(words)
