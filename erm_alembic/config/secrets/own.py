"""Providers of a team's own: classes that `secrets.providers` of erm.yaml names, imported when one is needed."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from typing import cast

from erm_alembic.config.secrets.protocol import SecretProvider
from erm_alembic.errors import ConfigurationError, ErmError

__all__ = ["load_own"]

_lock = threading.RLock()
_loaded: dict[tuple[str, str, Path], SecretProvider] = {}


def load_own(scheme: str, place: str, base_dir: Path) -> SecretProvider:
    """The provider of a scheme; it is made once in a process.

    Args:
        scheme: the word before the colon of its references.
        place: `module:attribute`, a class without arguments or an instance.
        base_dir: the folder of erm.yaml, whose modules can be named.

    Raises:
        ConfigurationError: there is none at that place, or it is no provider.
    """
    with _lock:
        known = _loaded.get((scheme, place, base_dir))
        if known is None:
            known = _loaded[scheme, place, base_dir] = _made(scheme, place, base_dir)
        return known


def _made(scheme: str, place: str, base_dir: Path) -> SecretProvider:
    module, _, attribute = place.partition(":")
    try:
        found = _imported(module, base_dir)
        for part in attribute.split("."):
            found = getattr(found, part)
        provider = found() if isinstance(found, type) else found
    except ErmError:
        raise
    except Exception as error:  # whatever a module of the team's own does while it is imported
        name = getattr(error, "name", None)
        missing = isinstance(error, ImportError | AttributeError) and name
        raise ConfigurationError(
            f"The provider {place} of the references {scheme}: cannot be loaded: "
            + (f"{name!r} is not there." if missing else f"it failed with {type(error).__name__}."),
            effect="No secret was fetched.",
            cure=f"Check secrets.providers.{scheme} in erm.yaml: python -c 'import {module}' says more.",
        ) from error
    for method in ("fetch", "describe"):
        if not callable(getattr(provider, method, None)):
            raise ConfigurationError(
                f"{place}, which secrets.providers.{scheme} names, has no method {method!r}: it is no provider.",
                effect="No secret was fetched.",
                cure="docs/secrets.md shows one: a class with fetch(reference, context) and describe(reference).",
            )
    return cast(SecretProvider, provider)


def _imported(module: str, base_dir: Path) -> object:
    """Import with the folder of erm.yaml first on the path, as Alembic does with a project's own."""
    folder = str(base_dir)
    added = folder not in sys.path
    if added:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)
