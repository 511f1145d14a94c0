"""The named ways to read that a cluster has, and the one that holds where nobody chooses: one value, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.options import PRIMARY_ONLY, ReadMode, ReplicaReadOptions
from erm_alembic.spelling import nearest

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
    def of(cls, default: str | None, options: Mapping[str, ReplicaReadOptions | ReadMode | None]) -> Policies:
        """Policies as an application names them.

        Args:
            default: the name of the one that holds where nothing else is chosen; None means the primary.
            options: by name what a read asks, or the mode that it has already; None stands for the primary.

        Raises:
            ConfigurationError: the default is none of them, or one is no policy.
        """
        modes = {name: replace(_mode(name, each), policy=name) for name, each in options.items()}
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
            known, near = ", ".join(self.by_name) or "none", nearest(choice, self.by_name)
            raise ConfigurationError(
                f"There is no replica policy {choice!r}{f'; did you mean {near!r}?' if near else '.'} "
                f"The cluster has: {known}.",
                effect="Nothing was read.",
                cure="Name one of them, or add it with use_replica_policies().",
            ) from None


def _mode(name: str, options: object) -> ReadMode:
    if options is None:
        return PRIMARY_ONLY
    if isinstance(options, ReplicaReadOptions):
        return options.mode
    if isinstance(options, ReadMode):
        return options
    raise ConfigurationError(
        f"The replica policy {name!r} is of the type {type(options).__name__}: write "
        f'{{{name!r}: ReplicaReadOptions(max_lag="20s")}}, or None for the primary.',
        effect="The policies that there were stay.",
    )
