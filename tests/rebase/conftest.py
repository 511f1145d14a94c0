"""Projects whose shadow is on the server that all tests share."""

from __future__ import annotations

from tests.shadow.conftest import project, project_of_major

__all__ = ["project", "project_of_major"]
