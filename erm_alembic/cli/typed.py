"""What was typed once and belongs into every command that an error names: its profile, its configuration.

Whoever writes a cure knows the command, and rarely what was typed around the one that failed. Pasted without its
profile it would act on another database.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from erm_alembic.render.safe import one_line

__all__ = ["WITH_PROFILE", "completed", "typed_around", "typed_options"]

# The commands that take a profile and a configuration; a test holds them against the table of commands. Importing all
# of that to word an error would take longer than most commands.
WITH_PROFILE = (
    *("migrate", "status", "drift", "repair", "replicas", "observe", "doctor", "grants", "smoke", "restore"),
    *("release", "release resume", "release abandon", "release status", "release list"),
    *("history", "history restore", "backup", "backup list", "backup verify", "check", "check downgrades"),
    *("gen", "import-sql", "baseline", "squash", "rebase", "comment", "check-run"),
    *("preview create", "preview drop", "preview list", "preview sweep"),
    *("config show", "config sources", "dev start", "dev url", "dev psql"),
)
# The longest first: `erm history restore` is not `erm history` with an argument.
COMMAND = re.compile(rf"\berm ({'|'.join(sorted(WITH_PROFILE, key=len, reverse=True))})(?![\w-])")
# Where a command in a sentence ends at the latest.
END = re.compile(r"[`\n]|\. |$")
REPEATED = ("--env", "--config")


def typed_around(words: Sequence[str]) -> dict[str, str]:
    """The options of a command line that every command about the same database repeats, with their values.

    Args:
        words: the command line, without the program's name.

    Example:
        >>> typed_around(["migrate", "--env=prod", "--mode", "plan", "--", "--env", "x"])
        {'--env': 'prod'}
    """
    found: dict[str, str] = {}
    for number, word in enumerate(words):
        if word == "--":
            break
        name, is_joined, value = word.partition("=")
        if name in REPEATED and (is_joined or number + 1 < len(words)):
            found[name] = value if is_joined else words[number + 1]
    return found


def typed_options(env: str | None, config: Path | None) -> dict[str, str]:
    """The same, from the options of a command.

    Args:
        env: `--env`.
        config: `--config`.
    """
    given = {"--env": env, "--config": None if config is None else str(config)}
    return {name: value for name, value in given.items() if value is not None}


def completed(text: str, typed: dict[str, str]) -> str:
    """A text with what was typed put into each command of erm that it names and that does not say it.

    Args:
        text: a cure.
        typed: what `typed_around` found.

    Example:
        >>> completed("`erm status` tells more; then: erm migrate --mode plan --to REV", {"--env": "prod"})
        '`erm status --env prod` tells more; then: erm migrate --env prod --mode plan --to REV'
    """

    def with_typed(match: re.Match[str]) -> str:
        end = END.search(text, match.end())
        rest = text[match.end() : end.start() if end else None]
        if rest.split()[:1] == ["--help"]:
            return match[0]
        missing = [word for name, value in typed.items() if name not in rest.split() for word in (name, value)]
        return " ".join([match[0], *(shlex.quote(one_line(word)) for word in missing)])

    return COMMAND.sub(with_typed, text)
