"""Users and passwords that change while a process lives: fetched when needed, renewed in time, shared by all who ask.

`Logins` is what an address holds (`DatabaseUrl.logins`); a `CredentialSource` behind it does the work.
"""

from __future__ import annotations

from erm_alembic.config.credentials.credential import Credential
from erm_alembic.config.credentials.logins import Logins, was_refused

__all__ = ["Credential", "Logins", "was_refused"]
