"""Where the project's code is imported from in the processes that run it: from where the tests are."""

from __future__ import annotations

import os
import sysconfig

from erm_alembic.shadow.ahead import AsItWas

__all__ = ["standard_library_first"]


def standard_library_first(now: AsItWas) -> tuple[str, ...]:
    """The import path of this process, with the standard library in front of it.

    pytest puts the folders of tests before everything else. Here the standard library is loaded by then; in a process
    that only starts, a `queue.py` among the tests would be taken for it.

    Args:
        now: this process.

    Example:
        >>> import queue
        >>> path = standard_library_first(AsItWas({}, ("/srv/tests", os.path.dirname(queue.__file__), "/srv")))
        >>> path[1:]
        ('/srv/tests', '/srv')
    """
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    standard = folders | {os.path.join(folder, "lib-dynload") for folder in folders}  # noqa: PTH118 - as they stand in sys.path
    return (*filter(standard.__contains__, now.path), *(entry for entry in now.path if entry not in standard))
