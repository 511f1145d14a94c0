"""`cmd:vault kv get ...`: the secret is what a command prints.

The command runs without a shell, so that nothing in it is expanded twice, and its stderr goes nowhere: tools write
tokens there.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from erm_alembic.config.secrets.protocol import SecretContext
from erm_alembic.errors import ConfigurationError

__all__ = ["CommandProvider"]


@dataclass(frozen=True, slots=True)
class CommandProvider:
    """Runs a command and takes its stdout, without the trailing newline.

    Args:
        timeout: seconds that the command may take.
    """

    scheme: str = "cmd"
    timeout: float = 30.0

    def fetch(self, reference: str, context: SecretContext) -> str:
        """Run the command in the folder of erm.yaml, with nothing on its stdin.

        Raises:
            ConfigurationError: it cannot be started, fails, takes too long or prints nothing.
        """
        try:
            words = shlex.split(reference)
        except ValueError:
            raise _failed(f"The command of {context.key} has a quote that is not closed.", "Close the quote.") from None
        arguments = [context.expand(word) for word in words]
        if not arguments:
            raise _failed(f"The command of {context.key} is empty.", "Write cmd:PROGRAM ARGUMENTS.")
        program = arguments[0]
        place = "erm.yaml" if context.interpolate else context.key
        by_hand = f"Run {program} by hand, with the arguments that {place} gives it."
        try:
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=context.base_dir,
                env=dict(context.environ),
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(
                f"The command {program}, which prints {context.key}, took longer than {self.timeout:g} s.", by_hand
            ) from None
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
            raise _failed(
                f"The command {program}, which prints {context.key}, cannot be started: {reason}.",
                "Install it, or give its full path.",
            ) from None
        if done.returncode != 0:
            raise _failed(
                f"The command {program}, which prints {context.key}, failed with exit code {done.returncode}.", by_hand
            )
        try:
            secret = done.stdout.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise _failed(f"The command {program}, which prints {context.key}, printed no UTF-8.", by_hand) from None
        if not secret.strip():
            raise _failed(f"The command {program}, which prints {context.key}, printed nothing.", by_hand)
        return secret

    def describe(self, reference: str) -> str:
        """Only the program: arguments may hold tokens."""
        try:
            words = shlex.split(reference)
        except ValueError:  # a quote that is not closed: show nothing of it
            return "cmd:***"
        program = shlex.quote(words[0]) if words else ""
        return f"cmd:{program}" + (" ***" if len(words) > 1 else "")


def _failed(what: str, cure: str) -> ConfigurationError:
    return ConfigurationError(what, effect="No database was reached.", cure=cure)
