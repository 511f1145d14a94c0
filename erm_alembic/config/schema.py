"""The JSON Schema of erm.yaml: generated from the model, shipped as a file, so that editors need no Python.

`python -m erm_alembic.config.schema` prints it anew; a test fails while the shipped file is another.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

__all__ = ["FILE_NAME", "generate_schema", "shipped_schema"]

FILE_NAME = "erm.schema.json"


def generate_schema() -> str:
    """The schema as the model has it now, as the text of a file."""
    from erm_alembic.config.model import FileModel

    schema = _tidied(FileModel.model_json_schema(by_alias=True))
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "erm.yaml"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def shipped_schema() -> str:
    """The schema as it is shipped.

    Example:
        >>> '"database"' in shipped_schema()
        True
    """
    return files("erm_alembic.config").joinpath(FILE_NAME).read_text(encoding="utf-8")


def _tidied(node: Any) -> Any:
    """Leave out what only the library says: generated titles, and defaults that mean "not set"."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    names = isinstance(node.get("properties"), dict)
    kept = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if kept.get("default", 0) is None:
        del kept["default"]
    result = {key: _tidied(value) for key, value in kept.items() if key != "properties" or not names}
    if names:
        result["properties"] = {key: _tidied(value) for key, value in node["properties"].items()}
    return result


if __name__ == "__main__":
    sys.stdout.write(generate_schema())
