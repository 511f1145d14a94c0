"""Who logs in: that the password stands in no file of the repository, and that a role that ends owns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from erm_alembic.config.credentials import Credential
from erm_alembic.config.durations import format_duration
from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis
from erm_alembic.errors import ErmError

__all__ = ["login_lasts", "login_owns_nothing", "tracked_passwords"]

# A lease that is shorter, and cannot be prolonged, ends in the middle of many a deployment.
LONG_ENOUGH = timedelta(minutes=15)


def tracked_passwords(evidence: Evidence) -> Iterator[Diagnosis]:
    """No password that is in use stands in a file that git tracks."""
    if evidence.is_dev:
        return
    for leak in evidence.leaks:
        yield Diagnosis(
            "error",
            f"The password of {leak.whose} stands in {leak.path}, which git tracks.",
            "It is in every clone, and in the history for good.",
            "Change the password, and keep the new one elsewhere: in a variable, a file outside of the repository, "
            "or a secret manager (docs/secrets.md).",
            path=leak.path,
            line=leak.line,
        )


def login_owns_nothing(evidence: Evidence) -> Iterator[Diagnosis]:
    """What migrations make belongs to a role that stays."""
    credential = _credential(evidence)
    ends = credential is not None and credential.secret.ends_sessions
    if ends and evidence.settings.migrations.role is None:
        yield Diagnosis(
            "warning" if evidence.is_dev else "error",
            "The role that logs in is dropped after a while, and migrations.role names no other one.",
            "What migrations make would belong to it: the manager cannot drop it then, and the next one may not alter "
            "what it made; nor may it write the ledger.",
            "Let a role that stays own the schema, make those that log in its members (IN ROLE), and name it: "
            "migrations: {role: NAME}.",
            PRIMARY,
        )


def login_lasts(evidence: Evidence) -> Iterator[Diagnosis]:
    """The role that logs in lasts for as long as a deployment."""
    credential = _credential(evidence)
    if credential is None or credential.lasts is None or not credential.secret.ends_sessions:
        return
    if not credential.secret.renewable and credential.lasts < LONG_ENOUGH:
        yield Diagnosis(
            "warning",
            f"The role that logs in lasts {format_duration(credential.lasts)}, and cannot be prolonged.",
            "A deployment that takes longer may lose its sessions in the middle.",
            "Let the manager lend it for longer (default_ttl and max_ttl of the role, and of the token).",
            PRIMARY,
        )


def _credential(evidence: Evidence) -> Credential | None:
    if isinstance(evidence.target, ErmError):
        return None
    try:
        return evidence.target.address.with_credential()[1]
    except ErmError:
        return None
