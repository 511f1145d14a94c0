"""What the page of a plan says, and that nothing of a plan becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from erm_alembic.cli.repository import shown_at
from erm_alembic.config.redaction import register_secret
from erm_alembic.planning.model import HalfDoneRevision, Outcome, Plan, StepOutcome
from erm_alembic.planning.request import Request
from erm_alembic.render.formats import render
from erm_alembic.render.html.markup import element
from erm_alembic.render.html.page import render_html
from erm_alembic.render.html.verdict import verdict_of
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation
from tests.report import plans
from tests.report.plans import DONE, FAILED, HOSTILE, REHEARSED

VOID = {"meta", "link", "br", "hr"}
ALL = {
    "rehearsed": (REHEARSED, None),
    "blocked": (plans.BLOCKED, None),
    "refused": (plans.BLOCKED, Outcome("refused", current=("m",))),
    "not-rehearsed": (plans.NOT_REHEARSED, None),
    "fails-there": (plans.FAILED_THERE, None),
    "up-to-date": (plans.UP_TO_DATE, None),
    "without-anything": (plans.WITHOUT_ANYTHING, None),
    "rollback": (plans.ROLLBACK, None),
    "done": (REHEARSED, DONE),
    "failed": (REHEARSED, FAILED),
    "nothing-to-do": (plans.UP_TO_DATE, Outcome("nothing-to-do", current=("b2",))),
    "hostile": (plans.hostile(), None),
    "hostile-run": (plans.hostile(), plans.hostile_outcome()),
    "long": (plans.chain(600, 0), None),
    "ladder": (plans.ladder(200), None),
    "fan": (plans.fan(600), None),
}


class Outline(HTMLParser):
    """The elements of a page: that each is closed, and what stands in them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        told = dict(attrs)
        self.names.append(tag)
        self.attributes |= told.keys()
        self.ids += [told["id"] or ""] if "id" in told else []
        self.links += [told["href"] or ""] if "href" in told else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It ends, and no other does."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """What is to be read."""
        self.words.append(data)


def read(plan: Plan, outcome: Outcome | None = None) -> str:
    """The words of a plan's page, without its style."""
    page = re.sub("<style>.*?</style>", "", render_html(plan, outcome), flags=re.DOTALL)
    return " ".join(" ".join(Outline(page).words).split())


@pytest.mark.parametrize("name", ALL)
def test_every_page_is_well_formed_and_leads_nowhere_else(name: str) -> None:
    """Elements are closed, ids are there once, links stay within the page and lead to something, nothing is run."""
    outline = Outline(render_html(*ALL[name]))
    assert len(outline.ids) == len(set(outline.ids))
    assert {link for link in outline.links if link.removeprefix("#") not in outline.ids} == set()
    assert not {"script", "img", "iframe", "object", "form", "base"} & set(outline.names)
    assert not [each for each in outline.attributes if each.startswith("on") or each in ("src", "style", "action")]
    assert outline.names.count("h1") == outline.names.count("main") == 1
    assert outline.names[: outline.names.index("body")].count("title") == 1


@pytest.mark.parametrize("ran", [False, True])
def test_hostile_names_add_no_element(ran: bool) -> None:
    """The page of a plan full of markup has the elements and attributes of one whose names are harmless."""
    hostile, harmless = (
        Outline(render_html(plans.hostile(name), plans.hostile_outcome(name) if ran else None))
        for name in (HOSTILE, "har`mless")
    )
    assert hostile.names == harmless.names
    assert hostile.attributes == harmless.attributes
    assert any(HOSTILE[:40] in word for word in hostile.words)
    page = render_html(plans.hostile())
    assert not set("\x1b\x00\u202e\u2028") & set(page)


def test_no_line_is_a_command_to_a_runner() -> None:
    """A page in the log of a workflow: a line of a statement that begins with two colons is read, and not obeyed."""
    commanding = "ALTER TABLE t\n::error::made up\n  ::stop-commands::x\nADD i int"
    page = f"<!doctype html>\n{element('pre', commanding).markup}\n"
    assert not re.search(r"(?m)^\s*::", page)
    assert commanding in "".join(Outline(page).words)


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    """The hash in the policy is that of the style that stands in the page."""
    page = render_html(REHEARSED)
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert style is not None
    assert policy is not None
    known_by = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1].replace("&#x27;", "'") == (
        f"default-src 'none'; style-src 'sha256-{known_by}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_first_screen_answers_what_a_reviewer_asks() -> None:
    """What, blocks whom, how long, undoable."""
    words = read(REHEARSED)
    for told in (
        "Plan for prod",
        "Nothing objects 2 revisions would be applied; nothing was changed. 1 warning to read.",
        "To apply 2 revisions 3 statements",
        "Blocks reads and writes 21 ms to 4.0 s, public.orders",
        "Takes 5.0 s to 1 min 4 s waiting for locks left out",
        "Way back with loss 1 of 2 without",
        "Current revision m head: b2",
    ):
        assert told in words


@pytest.mark.parametrize(
    ("plan", "outcome", "verdict"),
    [
        (plans.BLOCKED, None, ("bad", "Blocked by 1 finding", "What objects: missing-downgrade.")),
        (
            plans.BLOCKED,
            Outcome("refused", current=("m",)),
            ("bad", "Refused by 1 finding", "What objects: missing-downgrade. Nothing was changed."),
        ),
        (replace(REHEARSED, cannot_run="the way is blocked"), None, ("bad", "Blocked", "The way is blocked.")),
        (plans.UP_TO_DATE, None, ("good", "Nothing to apply", "The database is at its target.")),
        (
            REHEARSED,
            DONE,
            ("good", "Done", "2 revisions applied in 950 ms, run 9 in the ledger. The database is now at b2."),
        ),
        (
            REHEARSED,
            FAILED,
            (
                "bad",
                "Failed after 1.3 s, run 8 in the ledger",
                "1 revision applied before it. The database is now at b1.",
            ),
        ),
    ],
)
def test_the_verdict_says_how_it_stands(plan: Plan, outcome: Outcome | None, verdict: tuple[str, str, str]) -> None:
    """In a few words, and whether that is good news."""
    found = verdict_of(plan, outcome)
    assert (found.role, found.what, found.more) == verdict


def test_the_timeline_leads_to_its_statements() -> None:
    """Each bar says whom it blocks for how long, and leads to the statement."""
    page = render_html(REHEARSED)
    words = read(REHEARSED)
    assert "2 statements keep others from tables that are there; the longest for 4.0 s at most." in words
    assert "line 12 ALTER TABLE orders ADD COLUMN note text" in words
    assert "blocks reads and writes of public.orders for 21 ms to 4.0 s" in words
    assert "blocks nothing, takes 5.0 s or any longer" in words
    assert '<a href="#r1-2">line 13</a>' in page
    assert '<li id="r1-2">' in page


def test_a_bar_lasts_until_its_transaction_commits() -> None:
    """The lock of the first statement is held while the second works; what runs outside a transaction holds none."""
    page = render_html(REHEARSED)
    lanes = page.split('class="lane"')[1:]
    assert 'class="held reads"' in lanes[0]
    assert lanes[0].count('class="held reads"') == 1
    assert 'class="held' not in lanes[1].split("</section>")[0]


def test_a_plan_that_was_not_rehearsed_says_so() -> None:
    """Nothing is made up about locks and times."""
    words = read(plans.NOT_REHEARSED)
    assert (
        "The plan was not rehearsed (There is no PostgreSQL for a shadow), so what its statements lock is not known."
        in words
    )
    assert "Blocks not known not rehearsed" in words
    assert "Not complete: line 14 needs what line 13 writes" in words


def test_findings_come_first_where_they_block() -> None:
    """Otherwise the locks do; what blocks stands before what warns."""
    blocked, warned = render_html(plans.BLOCKED), render_html(REHEARSED)
    assert blocked.index('id="findings"') < blocked.index('id="locks"')
    assert warned.index('id="locks"') < warned.index('id="findings"')
    words = read(plans.BLOCKED)
    assert words.index("missing-downgrade Revision b2") < words.index("work-after-exclusive-lock This goes")
    assert "Rules that may pass this once models-drift : known since spring" in words
    assert (
        "1 finding ignored by a comment squawk/ban-drop-column in migrations/versions/b1_notes.py:12: unused" in words
    )


def test_a_finding_leads_to_its_statement() -> None:
    """By its file and line; by its revision where it has none."""
    page = render_html(plans.BLOCKED)
    assert '<a href="#r1-2">migrations/versions/b1_notes.py:13</a>' in page
    assert '<a href="#r2"><code>b2</code></a>' in page


def test_a_line_leads_to_the_forge_where_that_is_known() -> None:
    """In a pipeline, a statement's line and a revision's file lead to the file as the forge shows it."""
    places = Places(Path("/srv/mono/shop"), Path("/srv/mono"), shown_at="https://git.example/o/r/blob/1f3a")
    page = render_html(plans.BLOCKED, places=places)
    shown = "https://git.example/o/r/blob/1f3a/shop/migrations/versions/b1_notes.py"
    assert f'<a href="{shown}#L12" title="shop/migrations/versions/b1_notes.py:12">line 12</a>' in page
    assert f'<a href="{shown}"><code>shop/migrations/versions/b1_notes.py</code></a>' in page
    outside = replace(REHEARSED, findings=(), steps=(replace(REHEARSED.steps[0], path="../../elsewhere/b1.py"),))
    assert "git.example" not in render_html(outside, places=places)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "1f3a"},
            "https://github.com/o/r/blob/1f3a",
        ),
        (
            {"CI_PROJECT_URL": "https://gitlab.com/o/r", "CI_COMMIT_SHA": "1f3a"},
            "https://gitlab.com/o/r/-/blob/1f3a",
        ),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": ""}, None),
        ({"CI_PROJECT_URL": "javascript:alert(1)//", "CI_COMMIT_SHA": "1f3a"}, None),
        ({}, None),
    ],
)
def test_a_pipeline_says_where_its_forge_shows_files(environ: dict[str, str], address: str | None) -> None:
    """GitHub and GitLab do, and what is no address of the web is none."""
    assert shown_at(environ) == address


def test_the_tables_say_size_and_who_is_kept_from_them() -> None:
    """What is blocked stands above what is not, and what is not known is not a zero."""
    words = read(REHEARSED)
    assert "public.orders Rows 1,200,000 12 writes/s Size 62.0 MB + 75.0 MB indexes" in words
    assert "Blocked reads and writes For how long 21 ms to 4.0 s line 12" in words
    assert "public.users Rows not known Size not known Blocked nobody" in words


def test_the_picture_says_in_words_what_it_shows() -> None:
    """Branches, merges, what is current, what is pending: for whoever hears the page."""
    words = read(REHEARSED)
    assert "6 revisions, 4 of them applied, 2 to be applied." in words
    assert "b2 head to be applied, builds on b1 index of notes" in words
    assert "m current applied, builds on l, r merge" in words
    assert "598 revisions applied: r0001 to r0598" in read(plans.chain(600, 600))


def test_after_a_run_the_picture_shows_where_the_database_is_now() -> None:
    """What was done is applied, what failed is marked, what was not run is still pending."""
    words = read(REHEARSED, FAILED)
    assert "b1 current applied, builds on m" in words
    assert "b2 fails head to be applied" in words
    assert "b2 index of notes failed 900 ms, 1 statement; planned: 5.0 s to 1 min 0 s" in words
    assert "What to do Run it again: erm migrate --env prod" in words


def test_a_revision_that_took_longer_than_planned_is_marked() -> None:
    """Of a run, a reader sees which of the numbers did not hold."""
    late = Outcome("done", 9, (StepOutcome("b1", "done", 5000, 2), StepOutcome("b2", "done", 900, 1)), ("b2",), 5900)
    assert read(REHEARSED, late).count("longer than planned") == 1
    assert "longer than planned 5.0 s, 2 statements; planned: 21 ms to 4.0 s" in read(REHEARSED, late)
    assert "longer than planned" not in read(REHEARSED, DONE)


def test_a_revision_without_a_file_is_in_the_picture() -> None:
    """What the database records and no file declares is shown as that."""
    words = read(replace(plans.UP_TO_DATE, current=("gone",)))
    assert "gone current recorded, but no file declares it" in words


def test_what_it_rests_on_stands_at_the_end() -> None:
    """How far it was to go, what was exempted, whether and on what it was rehearsed."""
    plan = replace(REHEARSED, request=Request("upgrade", "b2"), exempted=2)
    words = read(plan)
    assert "What this rests on Planned to end at b2." in words
    assert "Of the down scripts, safety.downgrades_since exempts 2 revisions." in words
    assert "Rehearsed on PostgreSQL 18.1. The shadow has no extension postgis." in words
    assert "The rehearsal ran each revision" not in read(plans.NOT_REHEARSED)


def test_a_half_done_revision_is_marked() -> None:
    """In the picture, until a run has gone on with it."""
    half = HalfDoneRevision("b1", "upgrade", "b1.py", 7, datetime(2026, 3, 1, tzinfo=UTC), 1)
    plan = replace(REHEARSED, half_done=(half,))
    assert "b1 half done to be applied" in read(plan)
    assert "half done" not in read(plan, DONE)


def test_a_rollback_says_what_would_be_lost() -> None:
    """Rows and values; what is not there to be lost is left out."""
    words = read(plans.ROLLBACK)
    assert "Rollback plan for prod" in words
    assert "120 rows of table public.orders , line 20 of b2" in words
    assert "public.users.name" not in words
    assert "Loses 120 rows or values of public.orders" in words
    unknown = replace(plans.ROLLBACK.data_loss[0], rows=None, object="DO $$")
    told = read(replace(plans.ROLLBACK, data_loss=(*plans.ROLLBACK.data_loss, unknown)))
    assert "Loses at least 120 rows or values of public.orders and 1 more" in told
    assert "an unknown number of rows of table DO $$" in told
    assert "Loses nothing no rows, no values" in read(replace(plans.ROLLBACK, data_loss=()))
    assert "b2 current head to be rolled back" in words


def test_drift_is_told_with_what_could_not_be_compared() -> None:
    """Each difference, each comparison that was not made, what was left out."""
    words = read(plans.BLOCKED)
    assert "index public.ix_old Seen in the database Expected absent Found CREATE INDEX ix_old ON orders (id)" in words
    assert "Not compared with the models: The models cannot be imported." in words
    assert "table public.tmp_* : 3 differences" in words


def test_a_page_of_very_many_revisions_stays_of_a_size_that_opens() -> None:
    """600 pending revisions are a page below a megabyte; statements that come again and again are told once."""
    assert len(render_html(plans.chain(600, 0))) < 1_000_000
    step = REHEARSED.steps[0]
    repeated = replace(REHEARSED, steps=(replace(step, statements=step.statements[:1] * 1000),))
    assert read(repeated).count("1,000 times") == 1


def test_a_run_of_very_many_revisions_shows_those_that_took_longest() -> None:
    """And counts the others."""
    steps = tuple(StepOutcome(f"r{number:04}", "done", number, 1) for number in range(600))
    words = read(plans.chain(600, 0), Outcome("done", 1, steps, ("r0599",), 1))
    assert "560 more revisions took less, or did not run." in words
    assert "r0599 change 599 done 599 ms" in words


def test_secrets_and_passwords_are_hidden() -> None:
    """Wherever they stand: in a statement, a message, a name."""
    register_secret("tops3cret-value")
    step = replace(
        REHEARSED.steps[0],
        message="tops3cret-value",
        statements=(replace(plans.COLUMN, sql="ALTER ROLE app PASSWORD 'hunter2'"),),
    )
    page = render_html(replace(REHEARSED, steps=(step,), database_url="postgresql://app:hunter3@db/shop"))
    assert not re.search("tops3cret-value|hunter2|hunter3", page)


def test_the_page_says_when_and_by_what_it_was_made() -> None:
    """With the digest that an approval is bound to."""
    page = render_html(REHEARSED, made_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert '<time datetime="2026-03-01T12:30:00+00:00">2026-03-01 12:30 UTC</time>' in page
    assert re.search("Digest of the plan: <code>[0-9a-f]{64}</code>", page)


def test_the_format_is_registered() -> None:
    """`--format html` prints it."""
    assert render("html", REHEARSED, REHEARSED.findings, None, Presentation()).startswith("<!doctype html>")
