"""Which trace something belongs to: that of OpenTelemetry's current span, else the one that a pipeline hands down."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

__all__ = ["TRACE_VARIABLES", "hand_down", "handed_down", "trace_ids"]

# As the W3C's headers are called where there are no headers.
TRACE_VARIABLES = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def trace_ids(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The ids of the trace and the span, for a log; nothing where there is none.

    Args:
        environ: the variables.

    Example:
        >>> trace_ids({"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})["trace_id"]
        '0af7651916cd43dd8448eb211c80319c'
    """
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry import trace

        found = trace.get_current_span().get_span_context()
        if found.is_valid:
            return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
    match = TRACEPARENT.fullmatch(environ.get("TRACEPARENT", "").strip().lower())
    if match is None or not match["trace"].strip("0"):
        return {}
    return {"trace_id": match["trace"], "span_id": match["span"]}


def hand_down() -> dict[str, str]:
    """What a program that is started now is to have in its environment, so that what it reports stands below the span
    that is current; nothing where there is none, and then it has what this process has.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {name.upper(): value for name, value in carrier.items() if name.upper() in TRACE_VARIABLES}


def handed_down(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a pipeline hands down of its trace, under the names of the headers.

    Args:
        environ: the variables.

    Example:
        >>> handed_down({"TRACEPARENT": "00-a-b-01"})
        {'traceparent': '00-a-b-01'}
    """
    return {name.lower(): environ[name] for name in TRACE_VARIABLES if environ.get(name)}
