"""The named ways to read that a cluster has, and the one that holds where nobody chooses: one value, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.options import PRIMARY_ONLY, ReadMode, ReplicaReadOptions

__all__ = ["Policies"]


@dataclass(frozen=True, slots=True)
class Policies:
    """Ways to read, by name.

    Args:
        by_name: the modes.
        default: what holds where nothing else is chosen.

    Example:
        >>> Policies.of("reporting", {"reporting": ReplicaReadOptions(max_lag="20s")}).default.policy
        'reporting'
    """

    by_name: Mapping[str, ReadMode] = field(default_factory=lambda: MappingProxyType({}))
    default: ReadMode = PRIMARY_ONLY

    @classmethod
    def of(cls, default: str | None, options: Mapping[str, ReplicaReadOptions | None]) -> Policies:
        """Policies as an application names them.

        Args:
            default: the name of the one that holds where nothing else is chosen; None means the primary.
            options: by name what a read asks; None stands for the primary.

        Raises:
            ConfigurationError: the default is none of them.
        """
        modes = {
            name: replace(PRIMARY_ONLY if each is None else each.mode, policy=name) for name, each in options.items()
        }
        made = cls(MappingProxyType(modes))
        return made if default is None else replace(made, default=made.mode_of(default))

    def mode_of(self, choice: ReadMode | str) -> ReadMode:
        """The mode that somebody chose.

        Args:
            choice: a mode, or a policy's name.

        Raises:
            ConfigurationError: there is no policy of that name.
        """
        if isinstance(choice, ReadMode):
            return choice
        try:
            return self.by_name[choice]
        except KeyError:
            known = ", ".join(self.by_name) or "none"
            raise ConfigurationError(
                f"There is no replica policy {choice!r}.",
                effect="Nothing was read.",
                cure=f"Name one that the cluster has ({known}), or add it with use_replica_policies().",
            ) from None
