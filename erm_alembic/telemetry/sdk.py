"""OpenTelemetry's SDK for the command line, where its own variables (OTEL_*) ask for an export.

A program that uses erm sets the SDK up itself, and so does `opentelemetry-instrument`: nothing is touched then.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["exporting", "wanted_exporters"]

GROUP = "opentelemetry_traces_exporter"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
# In seconds: a collector that is away must not hold up the end of a deployment.
PATIENCE = 3


def wanted_exporters(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The exporters that OpenTelemetry's variables ask for.

    Args:
        environ: the variables.

    Example:
        >>> wanted_exporters({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}), wanted_exporters({})
        (('otlp',), ())
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if named:
        names = [name.strip() for name in named.split(",")]
        return tuple(name for name in names if name and name != "none")
    return ("otlp",) if any(environ.get(name) for name in ENDPOINTS) else ()


@contextmanager
def exporting(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Export spans for as long as the block lasts, where the variables ask for it and the SDK is there.

    Args:
        environ: the variables.
    """
    names = wanted_exporters(environ)
    if not names or "opentelemetry.sdk.trace" in sys.modules or find_spec("opentelemetry") is None:
        yield
        return
    provider = _set_up(names, environ)
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


def _set_up(names: tuple[str, ...], environ: Mapping[str, str]) -> TracerProvider | None:
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        return None
    # Of tries that may yet succeed it tells each; that none did, it tells once.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    exporters = [_made(found, environ) for name in names if (found := _exporter(name, environ)) is not None]
    if not exporters:
        return None
    is_named = bool(environ.get("OTEL_SERVICE_NAME")) or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    attributes: dict[str, Any] = {} if is_named else {"service.name": "erm"}
    provider = TracerProvider(resource=Resource.create(attributes))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _made(found: EntryPoint, environ: Mapping[str, str]) -> SpanExporter:
    kind = found.load()
    if found.name == "console":  # stdout is for the result alone
        on_stderr: SpanExporter = kind(out=sys.stderr)
        return on_stderr
    waits = found.name.startswith("otlp") and not any(environ.get(name) for name in TIMEOUTS)
    exporter: SpanExporter = kind(timeout=PATIENCE) if waits else kind()
    return exporter


def _exporter(name: str, environ: Mapping[str, str]) -> EntryPoint | None:
    """The exporter of that name; of OTLP the one that speaks the protocol that is asked for, else one that is there."""
    known = {each.name: each for each in entry_points(group=GROUP)}
    if name != "otlp":
        return known.get(name)
    protocol = next((environ[each] for each in PROTOCOLS if environ.get(each)), "")
    wanted = {"grpc": ("otlp_proto_grpc",), "http/protobuf": ("otlp_proto_http",)}.get(protocol)
    return next((known[each] for each in wanted or ("otlp_proto_http", "otlp_proto_grpc") if each in known), None)
