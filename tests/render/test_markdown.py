"""A plan as a comment on a pull request: what it says, that it fits, and that nothing in it acts."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from markdown_it import MarkdownIt

from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome, Plan, Statement
from erm_alembic.planning.rehearsal import Estimate, Observed, ObservedLock, Prediction
from erm_alembic.render.markdown.inert import code, prose
from erm_alembic.render.markdown.marker import comment_marker
from erm_alembic.render.markdown.page import GITHUB_LIMIT, GITLAB_LIMIT, report, size
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation, Typed
from tests.render.hostile import HOSTILE, findings_of, hostile, outcome_of, plan_of
from tests.render.plans import BLOCKED, DONE, EMPTY, FAILED, ORDERS, PLAN, ROLLBACK

HOW = Presentation()
# Of what is made up, for what takes its time.
FEW = settings().max_examples // 4
# What a forge makes of text: mentions, references, addresses, commits.
ACTS = re.compile(r"@\w|#\d|GH-\d|://|www\.|\b[0-9a-f]{7,40}\b|[!~&]\w|:\w+:")
# Plain words that are the report's own and look like that.
OURS = re.compile(r"erm-[a-z]+")


def markdown(plan: Plan, outcome: Outcome | None = None, how: Presentation = HOW) -> str:
    return report(plan, plan.findings, outcome, how)


class Page(HTMLParser):
    """What GitHub's own renderer makes of a comment: its tags but code, and its text outside of code."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.prose: list[str] = []
        self.code: list[str] = []
        self._within = 0
        html = cmarkgfm.github_flavored_markdown_to_html(
            text.encode("utf-8", "surrogatepass").decode("utf-8"), options=Options.CMARK_OPT_UNSAFE
        )
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("code", "pre"):
            self._within += 1
        if tag != "code":
            self.tags.append(f"{tag} {sorted(attributes)}" if attributes else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("code", "pre"):
            self._within -= 1
        if tag != "code":
            self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        (self.code if self._within else self.prose).append(data)


def harmless(text: str, model: str) -> None:
    """A comment has the same skeleton as one of plain words, and nothing outside of code that a forge acts on."""
    page, expected = Page(text), Page(model)
    assert page.tags == expected.tags
    assert not {tag.split()[0] for tag in page.tags} & {"a", "img", "script", "input"}
    assert [found for each in page.prose for found in ACTS.findall(each)] == []
    commonmark = MarkdownIt("gfm-like").parse(text)
    inner = [child for token in commonmark for child in token.children or ()]
    kinds = {token.type for token in (*commonmark, *inner)}
    assert not kinds & {"link_open", "image", "code_block", "hr"}
    assert {token.content for token in inner if token.type == "html_inline"} <= {"<sub>", "</sub>"}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]", text)
    assert [line for line in text.split("\n") if line.lstrip().startswith("::") or "##[" in line] == []


def test_a_reviewer_sees_the_verdict_first_and_the_statements_on_demand() -> None:
    """Marker, verdict, facts, one row a revision, statements collapsed with their place, what to type."""
    text = markdown(PLAN)
    lines = text.splitlines()
    assert lines[:2] == ["<!-- erm-plan: prod -->", "### Plan for `prod`: 2 revisions to apply, nothing objects"]
    assert "| 1 | `a1b2c3` add orders | downgrade not tried |" in lines
    assert "- **Can be undone**: 1 of 2 revisions; not: downgrade empty (`d4e5f6`)" in lines
    assert "-- migrations/versions/a1b2c3_add_orders.py:12\nCREATE TABLE orders (\n    id int PRIMARY KEY\n)\n" in text
    assert "-- not complete: the revision reads what it wrote before\n```\n\n</details>" in text
    assert "To run it: `erm migrate --env prod`" in lines


def test_whom_it_blocks_and_for_how_long_stands_in_the_table() -> None:
    """What a rehearsal saw is said once for the plan and once for its revision."""
    seen = Observed((ObservedLock("public.orders", "AccessExclusiveLock", "public.orders"),))
    statement = Statement(
        "ALTER TABLE orders ...", 3, observed=seen, estimate=Estimate("reads", ("public.orders",), 20, 4000)
    )
    step = replace(ORDERS, statements=(statement,), predicted=Prediction(25, 4100))
    text = markdown(replace(PLAN, steps=(step,)))
    assert "- **Blocks**: reads and writes of `public.orders` for 20 ms to 4.0 s (`a1b2c3`)\n" in text
    assert "| reads and writes of `public.orders` for 20 ms to 4.0 s | 25 ms to 4.1 s |" in text


def test_a_blocked_plan_shows_the_findings_with_their_place_and_help() -> None:
    """Errors first, each with its rule, its file in the repository, what is wrong and what to do."""
    warning = Finding("several-heads", "warning", "Two heads.")
    how = Presentation(places=Places(Path("/srv/mono/shop"), Path("/srv/mono")))
    text = report(BLOCKED, (warning, *BLOCKED.findings), None, how)
    assert "### Plan for `prod`: blocked by 1 error\n" in text
    error = (
        "- **error** `missing-revision` in `shop/migrations/versions:3`: Revision 000111 is recorded, but its file is "
        "gone.\n  - help: Write it back: erm history restore 000111\n- **warning** `several-heads`: Two heads.\n"
    )
    assert error in text
    assert "To run it" not in text


def test_a_rollback_has_a_comment_of_its_own_with_what_would_be_lost() -> None:
    """It does not take the place of the plan's comment."""
    text = markdown(ROLLBACK)
    assert text.startswith("<!-- erm-rollback: prod -->\n### Rollback plan for `prod`: 1 revision to roll back")
    assert "- table `public.orders`: 120 rows\n" in text
    assert "To run it: `erm migrate --mode rollback --env prod --allow-data-loss`" in text


def test_an_outcome_says_how_each_revision_ended() -> None:
    """The error stands in the row of its revision, and only there."""
    text = markdown(PLAN, FAILED)
    assert "### Apply to `prod`: failed, 0 revisions applied before it\n" in text
    assert '| 1 | `a1b2c3` add orders | **failed**, 40 ms: relation `"orders"` already exists at line 12 |' in text
    assert text.count("already exists") == 1
    assert "<details>" not in text
    assert "### Apply to `prod`: done, 2 revisions applied in 1.3 s\n" in markdown(PLAN, DONE)
    assert "### Plan for `dev`: nothing to apply\n" in markdown(EMPTY)


def test_findings_alone_have_a_comment_too() -> None:
    """`erm check` and `erm drift` have no plan."""
    text = report(None, BLOCKED.findings, None, Presentation("check"))
    assert text.startswith(
        "<!-- erm-check -->\n### erm check: 1 error\n\n#### Findings\n\n- **error** `missing-revision`"
    )


def test_each_project_and_environment_has_a_comment_of_its_own() -> None:
    """The marker is the same in every run, and names the project where the repository has several."""
    how = Presentation(places=Places(Path("/srv/mono/a b"), Path("/srv/mono")))
    assert comment_marker(PLAN, how) == "<!-- erm-plan: prod project=a%20b -->"
    assert comment_marker(replace(PLAN, environment="-->\n"), HOW) == "<!-- erm-plan: %2D%2D%3E%0A -->"


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_plan_acts_on_a_forge(text: str) -> None:
    """Whatever names, messages and SQL hold: no mention, no link, no HTML, no further row, no end of a block."""
    plan, plain = plan_of(text), plan_of("x y")
    harmless(markdown(plan), markdown(plain))
    harmless(markdown(plan, outcome_of(text)), markdown(plain, outcome_of("x y")))
    harmless(report(None, findings_of(text), None, HOW), report(None, findings_of("x y"), None, HOW))


@settings(max_examples=FEW)
@given(hostile())
def test_no_text_acts_on_a_forge(text: str) -> None:
    """The same of texts that were made up."""
    harmless(markdown(plan_of(text)), markdown(plan_of("x y")))


@given(hostile())
def test_no_name_leaves_its_cell_and_no_sentence_its_line(text: str) -> None:
    """A row stays a row with its cells, and a line a line."""
    model = Page("| a | b |\n| :-- | :-- |\n| x | x |\n\n- said: x\n")
    page = Page(f"| a | b |\n| :-- | :-- |\n| {code(text)} | {prose(text)} |\n\n- said: {prose(text)}\n")
    assert page.tags == model.tags
    assert [found for each in page.prose for found in ACTS.findall(each)] == []


def test_a_sentence_reads_as_a_sentence() -> None:
    """Only what is more than a word becomes code, with the punctuation around it left alone."""
    told = 'The key orders (customer_id) has no index, as in `a.b`: add op.f(x, y=True) there; see public."a b".'
    assert prose(told) == (
        'The key orders (`customer_id`) has no index, as in `a.b`: add `op.f(x, y=True)` there; see `public."a b"`.'
    )


def many(number: int, **changed: object) -> Plan:
    """A plan of many revisions, the 500th of which blocks somebody."""
    blocking = Statement("LOCK orders", 3, estimate=Estimate("writes", ("public.orders",), 1, 5))
    steps = [
        replace(
            ORDERS,
            revision=f"{each:012x}",
            message=f"change number {each} of many",
            path=f"migrations/versions/{each:012x}_change.py",
            statements=(blocking,) if each == 500 else ORDERS.statements,
            predicted=Prediction(1, 2),
        )
        for each in range(1, number + 1)
    ]
    return replace(PLAN, steps=tuple(steps), **changed)  # type: ignore[arg-type]  # the fields of a plan, by name


def test_600_pending_revisions_fit_a_comment_and_are_counted() -> None:
    """Statements go first, then rows; what blocks somebody stays; what is left out is told, and how to see it."""
    warnings = tuple(
        Finding("downgrade-lossy", "warning", f"Loses public.t{each}.", path=f"v/{each}.py", line=1)
        for each in range(600)
    )
    text = markdown(many(600, findings=warnings), how=Presentation(typed=Typed(("--to", "head"))))
    assert GITHUB_LIMIT / 2 < size(text) <= GITHUB_LIMIT
    assert "### Plan for `prod`: 600 revisions to apply, nothing objects, 600 warnings\n" in text
    assert "| 500 | `0000000001f4` change number 500 of many |" in text
    shown, left = text.count("\n| "), re.search(r"\n\.\.\. and (\d+) revisions more, not shown here\.\n", text)
    assert left is not None and int(left[1]) + shown - 2 == 600
    assert re.search(r"\n- \.\.\. and \d+ more, not shown here\n", text)
    assert "The 1199 statements of 600 revisions are left out, since a comment holds no more. " in text
    assert "`erm migrate --mode plan --env prod -v --to head` shows all." in text


def test_gitlab_takes_a_longer_comment() -> None:
    """The limit may be given, and then everything is there."""
    text = markdown(many(600), how=Presentation(limit=GITLAB_LIMIT))
    assert GITHUB_LIMIT < size(text) <= GITLAB_LIMIT
    assert text.count("<details>") == 600 and "left out" not in text


@pytest.mark.parametrize("limit", [200, 1_000, 3_000, 10_000, 30_000, 65_536])
def test_every_limit_is_kept(limit: int) -> None:
    """Also where every name is as long as a report is, and made of what has to be escaped."""
    text = markdown(plan_of("`|<🐘" * 2_000), how=Presentation(limit=limit))
    assert size(text) <= max(limit, 500)


def test_secrets_are_masked() -> None:
    """Whatever quotes a connection string."""
    url = "postgresql://app:hunter2@db/shop"
    text = markdown(replace(PLAN, cannot_run=url, findings=(Finding("r", "error", url, url),)))
    assert "hunter2" not in text
