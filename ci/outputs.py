"""The results of a plan as lines of GITHUB_OUTPUT.

python3 ci/outputs.py SHOWN KEPT ARTIFACT >> "$GITHUB_OUTPUT"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def results(shown: Path, kept: Path, artifact: str) -> dict[str, str]:
    """The results by their names.

    Args:
        shown: the plan, as JSON.
        kept: the folder with what is kept of it.
        artifact: what that is kept as.
    """
    plan = json.loads(shown.read_text(encoding="utf-8"))
    file = kept / "plan.json"
    return {
        "blocked": "true" if plan["blocked"] else "false",
        "pending": str(len(plan["pending"])),
        "digest": plan["digest"],
        "plan-file": str(file) if file.is_file() else "",
        "kept": str(kept) if any(kept.iterdir()) else "",
        "artifact": artifact,
    }


def written(found: dict[str, str]) -> str:
    """The results as the runner reads them."""
    for name, value in found.items():
        if "\n" in value or "\r" in value:
            raise SystemExit(f"{name} has more than one line")
    return "".join(f"{name}={value}\n" for name, value in found.items())


if __name__ == "__main__":
    sys.stdout.write(written(results(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
