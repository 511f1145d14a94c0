"""The file for Prometheus: what stands in it, who may read it, and what it never does to a run."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from erm_alembic.telemetry.exposition import HEADER, Gauge, read_gauges, rendered, replaced
from tests.faults.deploying import Project


def values(path: Path) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    """What Prometheus' own parser finds in the file."""
    text = path.read_text(encoding="utf-8")
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}


def test_a_run_leaves_what_an_alert_wants_to_know(project: Project) -> None:
    """Outcome, times, revision, what is pending: of a plan, of a success, of a failure that follows."""
    path = project.root / "erm.prom"
    project.config("telemetry: {prometheus_textfile: erm.prom}\n")
    assert project.erm("migrate", "--mode", "plan").returncode == 0
    assert values(path)["erm_revisions_pending"][0][1] == 2
    assert project.erm("migrate").returncode == 0
    found = values(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    labels = {"environment": "dev", "database": project.database.name}  # type: ignore[union-attr]
    assert found["erm_last_run_success"] == [(labels, 1.0)] and found["erm_revisions_pending"] == [(labels, 0.0)]
    assert found["erm_last_run_info"] == [({**labels, "mode": "apply", "outcome": "done", "revision": "b2"}, 1.0)]
    success = found["erm_last_success_timestamp_seconds"][0][1]
    assert success == found["erm_last_run_timestamp_seconds"][0][1] > 1.7e9
    project.revision("c3", "op.execute(\"INSERT INTO first VALUES (4711, 'x')\")", down="b2")
    assert project.erm("migrate").returncode == 1
    found = values(path)
    assert found["erm_last_run_success"] == [(labels, 0.0)] and found["erm_revisions_pending"] == [(labels, 1.0)]
    assert found["erm_last_success_timestamp_seconds"] == [(labels, success)]
    project.revision("c3", 'op.execute("SELECT 1 / 0")', down="b2")  # which cannot even be planned
    assert project.erm("migrate").returncode == 1
    ((labels, _),) = values(path)["erm_last_run_info"]
    assert (labels["mode"], labels["outcome"], labels["revision"]) == ("apply", "failed", "")
    assert [name.name for name in project.root.glob(".erm.prom*")] == []


def test_a_file_of_somebody_else_and_a_folder_that_is_not_there_are_told_and_fail_nothing(project: Project) -> None:
    """The run goes on; what is not erm's is not written over."""
    path = project.root / "other.prom"
    path.write_text("# of another exporter\nup 1\n")
    project.config("telemetry: {prometheus_textfile: other.prom}\n")
    done = project.erm("migrate", "--to", "a1")
    assert done.returncode == 0 and "is not a file that erm has written: it is left as it is" in done.stderr
    assert path.read_text() == "# of another exporter\nup 1\n"
    project.config("telemetry: {prometheus_textfile: gone/erm.prom}\n")
    done = project.erm("migrate")
    assert done.returncode == 0 and "cannot be written: No such file or directory" in done.stderr


def test_an_observation_stands_beside_the_runs(project: Project) -> None:
    """`erm observe` writes what it finds at each look, and leaves the rest as it is."""
    project.config("telemetry: {prometheus_textfile: erm.prom}\nobserve: {for: 100ms, interval: 100ms}\n")
    assert project.erm("migrate").returncode == 0
    assert project.erm("observe").returncode == 0
    found = values(project.root / "erm.prom")
    assert found["erm_observation_worse"][0][1] == 0.0 and found["erm_last_run_success"][0][1] == 1.0


@pytest.mark.parametrize("name", ["plain", 'quo"ted', "back\\slash", "new\nline", "brace}", "ümlaut", "comma,=x"])
def test_any_name_is_written_and_read_again(name: str, tmp_path: Path) -> None:
    """Names of environments and databases may hold anything."""
    labels = {"environment": name, "database": name}
    path = tmp_path / "erm.prom"
    path.write_text(rendered([Gauge("erm_revisions_pending", 3, labels)]), encoding="utf-8")
    assert values(path) == {"erm_revisions_pending": [(labels, 3.0)]}
    assert read_gauges(path.read_text(encoding="utf-8")) == [Gauge("erm_revisions_pending", 3.0, labels)]


def test_databases_share_a_file_and_what_is_gone_goes() -> None:
    """A run replaces what is about its own database; a replica that is no more has no lag."""
    ours, theirs = {"environment": "prod", "database": "a"}, {"environment": "prod", "database": "b"}
    former = [
        Gauge("erm_replica_lag_seconds", 1, {**ours, "replica": "east"}),
        Gauge("erm_replica_lag_seconds", 2, {**theirs, "replica": "east"}),
        Gauge("erm_last_run_success", 0, ours),
        Gauge("erm_drift_differences", 5, ours),
    ]
    found = replaced(former, [Gauge("erm_last_run_success", 1, ours)], ours, gone=("erm_replica_lag_seconds",))
    assert found == [former[1], former[3], Gauge("erm_last_run_success", 1, ours)]
    assert rendered(found).startswith(HEADER) and read_gauges("up 1\n") is None
