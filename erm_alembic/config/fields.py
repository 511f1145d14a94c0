"""What the sections of erm.yaml are made of: durations, numbers and flags that may also be a `${VAR}`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from erm_alembic.config.durations import DURATION_PATTERN, parse_duration

__all__ = ["DURATION_SCHEMA", "Count", "Duration", "Flag", "Number", "Section", "Url", "as_duration", "or_variable"]

_VARIABLE = {"type": "string", "pattern": r"\$\{"}

DURATION_SCHEMA = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["500ms", "15s", "45m", "1h"]}


def or_variable(*schemas: dict[str, Any]) -> WithJsonSchema:
    """The JSON Schema of a value that may also be a variable."""
    return WithJsonSchema({"anyOf": [*schemas, _VARIABLE]})


def as_duration(value: object) -> object:
    """A text as the duration that it is; anything else is left to the validation."""
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(as_duration), or_variable(DURATION_SCHEMA)]
Count = Annotated[int, or_variable({"type": "integer", "minimum": 0})]
Number = Annotated[float, Field(allow_inf_nan=False), or_variable({"type": "number", "minimum": 0})]
Flag = Annotated[bool, or_variable({"type": "boolean"})]
Url = Annotated[
    str,
    Field(
        description="postgresql://..., embedded://NAME, or where it is kept: file:/path, cmd:command, "
        "vault:path#field, ...; ${VAR} and ${VAR:-default} work",
        examples=["postgresql://app:${DB_PASSWORD}@db/app", "embedded://app_dev", "file:/run/secrets/dsn"],
    ),
]


class Section(BaseModel):
    """A section knows its keys; an empty value (`pool:`) is no value."""

    # Built when first used: most are used only as a part of the whole file's model.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        names = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in names}
