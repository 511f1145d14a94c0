"""What a command writes: shown line by line as it comes, and the end of it kept; both bounded, both without secrets.

A secret is masked in a whole line or in the whole text, never in a piece: half of a password is not known for one.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from erm_alembic.config.redaction import redact

__all__ = ["Output"]

KEPT_BYTES = 64 * 1024
SHOWN_BYTES = 256 * 1024
LONGEST_LINE = 8 * 1024
# So much more is held than is kept, and cut off at its front once it was masked.
MARGIN = 4 * 1024


class Output:
    """The output of one command.

    Args:
        show: told each line, secrets masked.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""
        self._too_long = False
        self._shown = 0
        self._kept = bytearray()
        self._cut = False

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._kept += data
        if len(self._kept) > KEPT_BYTES + MARGIN:
            self._cut = True
            del self._kept[: len(self._kept) - KEPT_BYTES - MARGIN]
        if self._shown <= SHOWN_BYTES:
            self._shown += len(data)
            self._take(self._decoder.decode(data))

    def close(self) -> None:
        """Show what stands after the last newline."""
        if self._shown <= SHOWN_BYTES:
            self._take(self._decoder.decode(b"", final=True))
            if self._line or self._too_long:
                self._tell()

    def _take(self, text: str) -> None:
        first, *rest = text.split("\n")
        self._append(first)
        for line in rest:
            self._tell()
            self._append(line)
        if self._shown > SHOWN_BYTES:
            self._line, self._too_long = "", False
            self._show(f"... more than {SHOWN_BYTES // 1024} kB; the ledger keeps the end of it")

    def _append(self, text: str) -> None:
        self._line += text
        if len(self._line) > LONGEST_LINE:
            self._line, self._too_long = "", True

    def _tell(self) -> None:
        # Of a progress bar, which writes one line again and again, the last state.
        line = self._line.removesuffix("\r").rpartition("\r")[2]
        self._show(f"(a line of more than {LONGEST_LINE // 1024} kB)" if self._too_long else redact(line))
        self._line, self._too_long = "", False

    def kept(self) -> str:
        """The end of it as the ledger keeps it: text, known secrets masked."""
        text = self._kept.decode("utf-8", "replace")
        if self._cut:  # the first line may begin in the middle of a secret
            _, newline, rest = text[:MARGIN].partition("\n")
            text = rest + text[MARGIN:] if newline else redact(text)[MARGIN:]
        whole = redact(text.replace("\x00", "")).encode("utf-8", "replace")
        return whole[-KEPT_BYTES:].decode("utf-8", "ignore")
