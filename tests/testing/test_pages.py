"""The pages of the plugin: their examples are tests, and everything that it offers stands on them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from erm_alembic import testing
from erm_alembic.testing import migrations
from tests.support.cli import REPOSITORY
from tests.testing.running import run_pytest

PACKAGE = Path(testing.__file__).parent
DOCS = REPOSITORY / "docs"
MAIN, MIGRATIONS, REPLICAS, SMOKE = (
    DOCS / f"{name}.md" for name in ("testing", "testing-migrations", "testing-replicas", "smoke")
)
# What fixtures are made of, and hooks.
INSIDE = {"erm_private_servers", "erm_sandbox", "erm_template", "erm_shared_database"}
EXAMPLE = re.compile(r"```python\n# (tests/\w+\.py)\n(.*?)```", re.DOTALL)


def test_the_examples_of_the_pages_pass_in_two_processes(tmp_path: Path) -> None:
    """They are a suite of tests for the sample shop: with pytest-xdist, with anyio, with the migration tests."""
    shop = tmp_path / "shop"
    shutil.copytree(REPOSITORY / "examples" / "shop", shop, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    examples = [found for page in (MAIN, MIGRATIONS) for found in EXAMPLE.findall(page.read_text("utf-8"))]
    assert len(examples) == sum(page.read_text("utf-8").count("```python") for page in (MAIN, MIGRATIONS)) == 8
    for name, text in examples:
        (shop / name).parent.mkdir(exist_ok=True)
        (shop / name).write_text(text, "utf-8")
    (shop / "pytest.ini").write_text("[pytest]\npythonpath = .\n", "utf-8")
    # The migration tests are tried on a smaller history (test_migrations.py): this one's proof takes long.
    chosen = (
        "--ignore=tests/test_migrations.py",
        "--deselect=tests/test_our_rules.py::test_no_revision_takes_more_than_a_second",
    )
    said = run_pytest(shop, "-p", "no:asyncio", "-n", "2", "tests", *chosen)
    assert re.search(r"^9 passed", said, re.MULTILINE), said
    # Each was made once, whichever process came first: the revisions, with the seed, at two earlier revisions.
    kept = [path.name for path in shop.glob(".erm/shadow-*/templates/*")]
    assert len(kept) in (0, 4), kept  # none where this machine keeps nothing in memory


def test_every_fixture_stands_on_a_page() -> None:
    """And is exported by the plugin's package; so do its options."""
    named = {
        name
        for page in (MAIN, REPLICAS)
        for row in re.findall(r"^\| (`erm_\w+`(?:, `erm_\w+`)*) \|", page.read_text("utf-8"), re.MULTILINE)
        for name in re.findall(r"erm_\w+", row)
    }
    named |= set(re.findall(r"`(erm_smoke_\w+)`", SMOKE.read_text("utf-8")))
    offered = {name for name in testing.__all__ if name.startswith("erm_") and not name.endswith("outer_transaction")}
    assert named == offered - INSIDE
    assert all(isinstance(getattr(testing, name), type(testing.erm_driver)) for name in offered)


def test_every_option_and_every_ready_made_test_stands_on_a_page() -> None:
    """As `pytest --help` has them."""
    declared = re.findall(r'(?:addoption|addini)\("(?:--)?([\w-]+)"', (PACKAGE / "options.py").read_text("utf-8"))
    assert len(declared) == 9
    assert [each for each in declared if each not in MAIN.read_text("utf-8")] == []
    page = MIGRATIONS.read_text("utf-8")
    assert [each for each in migrations.__all__ if f"| `{each}" not in page] == []
