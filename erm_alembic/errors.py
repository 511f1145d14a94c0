"""The exceptions of erm: raised when it could not run. What a check has to say about a plan is a finding, not an error.

    ErmError                      exit 1
    ├── UsageError                exit 2   the command line asks for something that does not exist
    ├── ConfigurationError        exit 2   erm.yaml, the environment or a secret is wrong
    ├── ProjectError              exit 1   the Alembic project cannot be read or adopted
    │   └── EnvironmentRefused             env.py does what erm cannot do safely
    ├── TargetError               exit 1   the database cannot be reached or used
    │   └── ServerError                    the embedded server cannot be started or stopped
    ├── ShadowUnavailable         exit 1   no shadow can be had, so what would have been seen there is unknown
    ├── BackupError               exit 1   a backup cannot be taken, read or brought back
    ├── LockNotHad                exit 1   another deployer holds the deploy lock
    ├── RoutingError              exit 1   a read or a write of an application cannot go where it should
    │   ├── NoReplicaAvailable             no replica is fresh enough, and the primary may not be asked instead
    │   ├── StaleReplicaWrite              an object was loaded from a replica and differs on the primary
    │   └── WritePrevented                 something is written where only reads are meant
    ├── ForgeError                exit 1   GitHub or GitLab cannot be reached, or refuses
    ├── Refused                   exit 1   a finding, drift or a possible loss of data forbids the run
    └── Interrupted               exit 129 (SIGHUP), 130 (SIGINT) or 143 (SIGTERM)

Every error says what happened, the effect it has on the user's database or files, and the cure: what to type next.
"""

from __future__ import annotations

__all__ = [
    "BackupDamaged",
    "BackupError",
    "ConfigurationError",
    "EnvironmentRefused",
    "ErmError",
    "ForgeError",
    "Interrupted",
    "LockNotHad",
    "NoReplicaAvailable",
    "ProjectError",
    "Refused",
    "RoutingError",
    "ServerError",
    "ShadowUnavailable",
    "StaleReplicaWrite",
    "TargetError",
    "UsageError",
    "WritePrevented",
]


class ErmError(Exception):
    """Base of everything erm raises on purpose.

    Args:
        what: one sentence: what happened.
        effect: one sentence: what it means for the database or the files ("Nothing was changed.").
        cure: what to do or to type next.

    Example:
        >>> error = ErmError("The lock is held.", effect="Nothing was changed.", cure="Try again.")
        >>> error.exit_code, str(error)
        (1, 'The lock is held.')
    """

    exit_code = 1

    def __init__(self, what: str, *, effect: str = "", cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.effect = effect
        self.cure = cure


class UsageError(ErmError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigurationError(ErmError):
    """erm.yaml, the environment or a secret is wrong."""

    exit_code = 2


class ProjectError(ErmError):
    """The Alembic project cannot be read or adopted."""


class EnvironmentRefused(ProjectError):
    """env.py does something that erm cannot do safely."""


class TargetError(ErmError):
    """The database cannot be reached or used."""


class ServerError(TargetError):
    """The embedded server cannot be started or stopped."""


class ShadowUnavailable(ErmError):
    """No shadow can be had: what would have been seen there is unknown.

    Args:
        reason: one sentence: why there is none.
        effect: what is therefore not known.
        cure: what would give one.

    Example:
        >>> ShadowUnavailable("pg_dump was not found.").reason
        'pg_dump was not found.'
    """

    def __init__(self, reason: str, *, effect: str = "What only a shadow can show is unknown.", cure: str = "") -> None:
        super().__init__(reason, effect=effect, cure=cure)
        self.reason = reason
        self.sqlstate: str | None = None  # where a statement of the history was refused


class BackupError(ErmError):
    """A backup cannot be taken, read or brought back."""


class BackupDamaged(BackupError):
    """A backup is not what it was when it was taken."""


class LockNotHad(ErmError):
    """Another deployer holds the deploy lock."""


class RoutingError(ErmError):
    """A read or a write of an application cannot go where it should."""


class NoReplicaAvailable(RoutingError):
    """No replica is fresh enough, and the primary may not be asked instead."""


class StaleReplicaWrite(RoutingError):
    """An object was loaded from a replica and differs on the primary, so that its changes may undo somebody else's."""


class WritePrevented(RoutingError):
    """Something is written where only reads are meant."""


class ForgeError(ErmError):
    """GitHub or GitLab cannot be reached, or refuses."""


class Refused(ErmError):
    """A finding, drift or a possible loss of data forbids the run."""


class Interrupted(ErmError):
    """A signal ended the run.

    Args:
        what: one sentence: what was interrupted.
        signal_number: the signal; the exit code is 128 + its number.
        effect: what it means for the database.
        cure: what to do next.
    """

    def __init__(self, what: str, *, signal_number: int, effect: str = "", cure: str = "") -> None:
        super().__init__(what, effect=effect, cure=cure)
        self.exit_code = 128 + signal_number
