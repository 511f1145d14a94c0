"""A command of erm.yaml, as the validation library and editors know it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from erm_alembic.config.commands import parse_command

__all__ = ["Command"]

Command = Annotated[
    str,
    BeforeValidator(parse_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": ["./notify.sh --channel deploys", ["python", "check.py"]],
        }
    ),
]
