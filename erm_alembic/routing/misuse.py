"""What is given to routing wrongly, in words that name what is meant. A value is never repeated: it may be an address.

What to write instead stands in the message itself: in an application it is read at the end of a traceback.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from erm_alembic.errors import ConfigurationError
from erm_alembic.spelling import nearest

__all__ = ["chosen_in", "refuse", "suggesting", "verify_discovery", "verify_replicas"]

Class = TypeVar("Class", bound=type)

# The execution option by which a statement, or a call, chooses where it is read.
_OPTION, _FAMILY = "replica_read", "replica_"


def chosen_in(options: Mapping[str, Any]) -> Any:
    """What execution options choose; None where nothing. One that only looks like ours is warned of.

    Args:
        options: of a statement, or of a call.
    """
    for name in options:
        if name.startswith(_FAMILY) and name != _OPTION:
            warnings.warn(
                f"The execution option {name!r} is unknown and has no effect; {_OPTION!r} is the one there is, and "
                "takes ReplicaReadOptions, the name of a policy, True or False.",
                stacklevel=4,
            )
    return options.get(_OPTION)


def suggesting(**meant: str) -> Callable[[Class], Class]:
    """A decorator for classes: an argument that is called otherwise elsewhere is refused with its name here.

    Args:
        meant: by the other name the one that is meant.
    """

    def decorated(cls: Class) -> Class:
        initialise = cls.__init__  # type: ignore[misc]  # of the class itself, not of a subclass

        @functools.wraps(initialise)
        def suggest(self: Any, *arguments: Any, **keywords: Any) -> None:
            for other, own in meant.items():
                if other in keywords:
                    raise TypeError(f"{cls.__name__} has no argument {other!r}; did you mean {own!r}?")
            initialise(self, *arguments, **keywords)

        cls.__init__ = suggest  # type: ignore[misc]  # in its place
        return cls

    return decorated


def refuse(block: str, given: Sequence[object], misnamed: Iterable[str] = (), known: Sequence[str] = ()) -> None:
    """Refuse what a block cannot take: the function that it was meant to decorate, a policy's name, a misspelt keyword.

    Args:
        block: the name of the function that makes it.
        given: what was given without a name.
        misnamed: the unknown keywords.
        known: the keywords that it takes.

    Raises:
        ConfigurationError: something was given.
    """
    effect = "Nothing was read."
    for name in misnamed:
        near = "max_lag" if name == "max_follower_lag" else nearest(name, known)
        meant = f" Did you mean {near}?" if near else ""
        raise ConfigurationError(
            f"{block}() has no argument {name!r}.{meant} It takes {', '.join(known)}.", effect=effect
        )
    if not given:
        return
    if callable(given[0]):
        argument = '"reporting"' if block == "replica_policy" else ""
        raise ConfigurationError(
            f"{block} decorates nothing before it is called: write @{block}({argument}).", effect=effect
        )
    if block == "replica_read" and isinstance(given[0], str):
        raise ConfigurationError(
            "replica_read() takes neither the name of a policy nor a lag without its name: write "
            'replica_policy("reporting") for a policy, replica_read(max_lag="5s") for a lag.',
            effect=effect,
        )
    takes = f"It takes {', '.join(known)}, each by its name." if known else "It takes nothing."
    raise ConfigurationError(f"{block}() was given what it does not take. {takes}", effect=effect)


def verify_replicas(replicas: object, wanted: type) -> None:
    """Make sure that replicas are described, not only addressed.

    Args:
        replicas: what was given.
        wanted: what each must be.

    Raises:
        ConfigurationError: they are no list, or something in it is no description.
    """
    is_one = isinstance(replicas, str | bytes | Mapping)
    if is_one or not isinstance(replicas, Iterable) or not all(isinstance(each, wanted) for each in replicas):
        raise ConfigurationError(
            f"The replicas of a cluster are a list of {wanted.__name__}, which name each one: "
            'replicas=[ReplicaConfig("east", "postgresql://app@east/shop")].',
            effect="Nothing was connected.",
        )


def verify_discovery(discovery: object) -> None:
    """Make sure that a discovery can find something.

    Args:
        discovery: what was given; None stands for none.

    Raises:
        ConfigurationError: it cannot.
    """
    if discovery is not None and not hasattr(discovery, "finds_primary"):
        raise ConfigurationError(
            'The discovery of a cluster is DnsReplicas("east", "postgresql://app@replicas.internal/shop"), '
            'PatroniReplicas(["https://pg1:8008"]), or what erm_alembic.routing.discovery.Discovery describes.',
            effect="Nothing was connected.",
        )
