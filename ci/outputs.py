"""The results of a plan as lines of GITHUB_OUTPUT.

python3 ci/outputs.py SHOWN KEPT ARTIFACT >> "$GITHUB_OUTPUT"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Read the plan that was shown, and say what there is."""
    shown, kept, artifact = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    plan = json.loads(shown.read_text(encoding="utf-8"))
    file = kept / "plan.json"
    results = {
        "blocked": "true" if plan["blocked"] else "false",
        "pending": str(len(plan["pending"])),
        "digest": plan["digest"],
        "plan-file": str(file) if file.is_file() else "",
        "kept": str(kept) if any(kept.iterdir()) else "",
        "artifact": artifact,
    }
    for name, value in results.items():
        if "\n" in value or "\r" in value:
            raise SystemExit(f"{name} has more than one line")
        sys.stdout.write(f"{name}={value}\n")


if __name__ == "__main__":
    main()
