"""What the plugin does besides its fixtures, and what pytest calls it for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from erm_alembic.testing.asynchronous import IN_LOOPS, with_asyncio
from erm_alembic.testing.smoke.marks import MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from erm_alembic.testing.options import Chosen

__all__ = ["pytest_configure", "pytest_generate_tests", "revisions_of"]

REVISION = "erm_revision"
_revisions: pytest.StashKey[Sequence[str]] = pytest.StashKey()
# A file that cannot be read fails the tests, with its reason, and not the collection of all others.
UNREADABLE = "unreadable"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of smoke tests; have the fixtures of pytest-asyncio's event loops where that is there."""
    config.addinivalue_line("markers", MARK)
    if with_asyncio(config) and not config.pluginmanager.has_plugin(IN_LOOPS):
        # Fixtures of an old one know no loop_scope: whoever asks for a session is told.
        with suppress(TypeError):
            from erm_alembic.testing import in_loops

            config.pluginmanager.register(in_loops, IN_LOOPS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `erm_revision` once for each revision of the project, the earliest first."""
    if REVISION not in metafunc.fixturenames or _gives_its_own(metafunc):
        return
    config = metafunc.config
    if _revisions not in config.stash:
        config.stash[_revisions] = _read(config)
    revisions: Sequence[str] = config.stash[_revisions]
    metafunc.parametrize(REVISION, revisions)


def _gives_its_own(metafunc: pytest.Metafunc) -> bool:
    markers = metafunc.definition.iter_markers("parametrize")
    return any(REVISION in str(marker.args[0] if marker.args else marker.kwargs.get("argnames")) for marker in markers)


def _read(config: pytest.Config) -> Sequence[str]:
    from erm_alembic.errors import ErmError
    from erm_alembic.testing.options import chosen

    try:
        return revisions_of(chosen(config))
    except ErmError:
        return (UNREADABLE,)


def revisions_of(chosen: Chosen) -> Sequence[str]:
    """The revisions of a project, the earliest first; one that cannot be read has one that says so.

    Args:
        chosen: what was chosen for this run.
    """
    from erm_alembic.errors import ErmError
    from erm_alembic.testing.history.revisions import revision_ids

    try:
        return revision_ids(chosen)
    except ErmError:
        return (UNREADABLE,)
