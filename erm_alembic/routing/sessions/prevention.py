"""What may be sent for a session where one of its blocks prevents writes."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.sessions.choosing import OPTION, Chooser

__all__ = ["Prevention"]


class Prevention:
    """Says what may be sent over a connection, which its application may hold for longer than the session.

    Args:
        session: the session; only a weak reference is kept.
        chooser: says what holds for what it sends.
        classifier: tells reads from everything else.
    """

    __slots__ = ("_chooser", "_classifier", "_session")

    def __init__(self, session: Session, chooser: Chooser, classifier: Classifier) -> None:
        self._session = weakref.ref(session)
        self._chooser, self._classifier = chooser, classifier

    def prevents_writes(self, execution_options: Mapping[str, Any]) -> bool:
        """Whether something with these execution options may only read."""
        session = self._session()
        if session is None:
            return False
        return self._chooser.mode(session.info, None, execution_options.get(OPTION)).prevent_writes

    def is_read(self, compiled: Any) -> bool:
        """Whether what is about to be sent is known to be a pure read."""
        return self._classifier.why_not_sent(compiled) is None
