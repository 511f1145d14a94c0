"""`file:/run/secrets/dsn`: the secret is the content of a file, as container platforms mount it."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.config.secrets.protocol import SecretContext
from erm_alembic.errors import ConfigurationError

__all__ = ["FileProvider"]

# An address is short; reading a whole device or disk image by mistake must not fill the memory.
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileProvider:
    """Reads a file; its trailing newline, which editors add, does not belong to the secret."""

    scheme: str = "file"

    def fetch(self, reference: str, context: SecretContext) -> str:
        """Read the file; a relative path starts at the folder of erm.yaml.

        Raises:
            ConfigurationError: the file is missing, unreadable, empty, too large or not UTF-8.
        """
        path = context.base_dir / context.expand(reference.strip().removeprefix("//"))
        try:
            if not path.is_file() and path.exists() and not path.is_fifo():
                raise _failed(f"{path}, which {context.key} names, is not a file.", "Name the file itself.")
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            text = content.decode()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise _failed(
                f"{context.key} is kept in {path}, which cannot be read: {reason}.",
                "Mount or write the file, or give this user the right to read it.",
            ) from None
        except ValueError:
            raise _failed(
                f"{context.key} is kept in {path}, which is not UTF-8 text.", "Keep the bare URL in it."
            ) from None
        if len(content) > _LARGEST:
            raise _failed(f"{context.key} is kept in {path}, which is too large for a URL.", "Keep the bare URL in it.")
        secret = text.removeprefix("\ufeff").rstrip("\r\n")
        if not secret.strip():
            raise _failed(f"{context.key} is kept in {path}, which is empty.", "Write the URL into it.")
        return secret

    def describe(self, reference: str) -> str:
        """A path is no secret."""
        return f"file:{reference}"


def _failed(what: str, cure: str) -> ConfigurationError:
    return ConfigurationError(what, effect="No database was reached.", cure=cure)
