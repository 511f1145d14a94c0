"""Commands that a message names go to the database that it is about: `--env` is a part of them."""

from __future__ import annotations

import shlex

__all__ = ["DEFAULT_ENVIRONMENT", "env_option"]

DEFAULT_ENVIRONMENT = "dev"


def env_option(environment: str) -> str:
    """What a command that is named in a message ends with.

    Args:
        environment: the profile that the message is about.

    Example:
        >>> env_option("prod"), env_option("dev")
        (' --env prod', '')
    """
    return "" if environment == DEFAULT_ENVIRONMENT else f" --env {shlex.quote(environment)}"
