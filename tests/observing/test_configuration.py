"""The sections `observe`, `telemetry` and `logging` of erm.yaml: what they take, and what they refuse."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import load_settings

ENVIRON = {"ERM_DATABASE_URL": "postgresql:///app"}


def test_everything_that_can_be_said_is_in_force(tmp_path: Path) -> None:
    """A profile wins over the base, key by key."""
    (tmp_path / "erm.yaml").write_text(
        """
database:
  environments:
    prod: {observe: {max_lag: 1s}, telemetry: {spans: false}}
observe: {for: 2h, interval: 30s, max_lag: 9s, slower_than: 1.5, max_slot: 1GB, rules: {lock-wait: warning}}
telemetry: {prometheus_textfile: "${DIR}/erm.prom"}
logging: {format: json}
"""
    )
    settings = load_settings("prod", environ={**ENVIRON, "DIR": "metrics"}, cwd=tmp_path)
    observe = settings.observe
    assert observe.duration == timedelta(hours=2) and observe.interval == timedelta(seconds=30)
    assert observe.max_lag == timedelta(seconds=1) and observe.slower_than == 1.5
    assert int(observe.max_slot) == 1024**3 and observe.rules == {"lock-wait": "warning"}
    assert settings.telemetry.prometheus_textfile == tmp_path / "metrics" / "erm.prom"
    assert not settings.telemetry.spans and settings.logging.format == "json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("observe: {interval: 1ms}", "a sample is taken every 100ms at most"),
        ("observe: {for: 0s}", "the duration must be longer than nothing"),
        ("observe: {max_lag: 5}", "'5' is not a duration"),
        ("observe: {slower_than: 1}", "the number must be more than 1"),
        ("observe: {max_connections: 1.5}", "the number must be 1 or less"),
        ("observe: {max_slot: 4}", "'4' is not a size"),
        ("observe: {max_slot: much}", "'much' is not a size"),
        ("observe: {rules: {lock-wait: loud}}", "'error', 'warning' or 'off'"),
        ("observe: {max_wait: 5s}", "unknown key"),
        ("telemetry: {prometheus: x}", "unknown key"),
        ("telemetry: {prometheus_textfile: /tmp/erm.txt}", "whose name ends in .prom"),
        ("logging: {format: xml}", "'text' or 'json'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    """In the words in which all of erm.yaml is judged."""
    (tmp_path / "erm.yaml").write_text(f"{text}\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(environ=ENVIRON, cwd=tmp_path)
    assert words in str(caught.value)
