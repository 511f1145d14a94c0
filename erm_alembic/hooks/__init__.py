"""Commands of the team's own around a run (`hooks:` in erm.yaml)."""

from erm_alembic.hooks.team import TeamHooks

__all__ = ["TeamHooks"]
