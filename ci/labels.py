"""The revisions that labels of the pull request let be approved in part: `erm-approve-partial:REV`, one each.

python3 ci/labels.py < "$GITHUB_EVENT_PATH"      prints them on one line

A label is put on a pull request by people who may triage in the repository, and by nobody else.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

LABEL = re.compile(r"erm-approve-partial:\s*([A-Za-z0-9_.\-]+)")


def approved_in_part(event: Any) -> tuple[str, ...]:
    """The revisions that labels name.

    Args:
        event: what GitHub says of the event that the job is about.
    """
    request = event.get("pull_request") or event.get("issue") or {} if isinstance(event, dict) else {}
    names = [str(label.get("name", "")) for label in request.get("labels") or ()]
    return tuple(match[1] for name in names if (match := LABEL.fullmatch(name.strip())))


if __name__ == "__main__":
    sys.stdout.write(" ".join(approved_in_part(json.load(sys.stdin))) + "\n")
