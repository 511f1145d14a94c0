"""The checks that take no target: of revision files and of the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.checks import CHECKS, CheckContext, run_checks
from erm_alembic.config.settings import Settings
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["OFFLINE", "check_project"]

OFFLINE = tuple(check for check in CHECKS if check.needs != "plan")


def check_project(
    settings: Settings, revisions: Sequence[RevisionFile], among: Sequence[RevisionFile], exempt: frozenset[str]
) -> tuple[Finding, ...]:
    """What the checks that need no target say.

    Args:
        settings: what is in force.
        revisions: the revisions that are looked at, each by itself.
        among: all revisions of the project.
        exempt: the revisions that `safety.downgrades_since` exempts.

    Raises:
        ConfigurationError: `safety.rules` names a rule that does not exist.
    """
    files = CheckContext(revisions=tuple(revisions), settings=settings, exempt=exempt)
    project = CheckContext(revisions=tuple(among), settings=settings, exempt=exempt)
    rules = settings.safety.rules
    return (
        *run_checks(project, rules, tuple(check for check in OFFLINE if check.needs == "project")),
        *run_checks(files, rules, tuple(check for check in OFFLINE if check.needs == "files")),
    )
