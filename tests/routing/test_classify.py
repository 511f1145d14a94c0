"""What may leave the primary: told from the tree of a statement and from the catalogs of a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    joinedload,
    mapped_column,
    relationship,
    with_loader_criteria,
)
from sqlalchemy.sql import quoted_name
from sqlalchemy.sql.functions import GenericFunction

from erm_alembic.postgres.volatility import Volatility, read_volatility
from erm_alembic.routing.deciding.classify import Classifier, is_known_write
from erm_alembic.routing.deciding.reasons import Reason
from tests.support.databases import RunningServer, fresh_database

SCHEMA = """
CREATE TABLE users (id serial PRIMARY KEY, name text);
CREATE TABLE posts (id serial PRIMARY KEY, user_id int REFERENCES users, body text);
CREATE UNLOGGED TABLE scratch (id int);
CREATE VIEW plain AS SELECT id FROM users;
CREATE VIEW dice AS SELECT id, random() AS roll FROM users;
CREATE VIEW above_dice AS SELECT id FROM dice;
CREATE FUNCTION wanders(int, int) RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT true';
CREATE OPERATOR ~~~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = wanders);
CREATE FUNCTION row_of(users) RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT true';
CREATE FUNCTION "Mixed Case"(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION overloaded(text) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE TABLE secrets (id int);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY lucky ON secrets USING (random() > 0.5);
"""


class Base(DeclarativeBase):
    """The models of these tests."""


class Post(Base):
    """Something written."""

    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    body: Mapped[str]


class User(Base):
    """Somebody."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    posts: Mapped[list[Post]] = relationship()


class Lucky(Base):
    """A mapping that hides a volatile function."""

    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    number = column_property(sa.func.random())


class Domain(sa.types.UserDefinedType[int]):
    """A type whose name may be a domain's."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The name that the database knows it by."""
        return "lucky_number"


class Wrapped(sa.types.TypeDecorator[int]):
    """A type around another."""

    impl = Domain
    cache_ok = True


class Renamed(sa.types.TypeDecorator[str]):
    """A type around a standard one."""

    impl = sa.Text
    cache_ok = True


class Sealed(sa.types.TypeDecorator[str]):
    """A type that calls a function on its way out."""

    impl = sa.Text
    cache_ok = True

    def column_expression(self, column: Any) -> Any:
        """Read through a volatile function."""
        return sa.func.overloaded(column)


class shouted(GenericFunction[str]):
    """A function that somebody compiles in their own way."""

    type = sa.Text()
    inherit_cache = True


@compiles(shouted)
def _shouted(_element: Any, _compiler: Any, **_kw: Any) -> str:
    return "nextval('users_id_seq')"


users, posts = User.__table__, Post.__table__
numbers = sa.table("numbers", sa.column("n", sa.Integer))
drawn = sa.values(sa.column("q", sa.Float), name="q").data([(1.0,), (sa.func.random(),)])


@pytest.fixture(scope="module")
def classifier(newest_server: RunningServer) -> Iterator[Classifier]:
    """One that knows a real database."""
    with fresh_database(newest_server) as database, closing(database.connect()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(SCHEMA)
            found = Classifier()
            found.learn(read_volatility(cursor))
        yield found


READS = {
    "a query of the ORM": sa.select(User).where(User.id == 5).order_by(User.name).limit(3),
    "a join": sa.select(User, Post).join(User.posts),
    "an alias": sa.select(aliased(User)),
    "a subquery": sa.select(sa.select(User).subquery()),
    "options": sa.select(User).options(joinedload(User.posts)),
    "a union": sa.union_all(sa.select(User.id), sa.select(Post.id)),
    "a CTE": sa.select(sa.select(users).cte()),
    "a recursive CTE": sa.select(sa.select(users.c.id).cte(recursive=True)),
    "count": sa.select(sa.func.count()).select_from(User),
    "count(*)": sa.select(sa.func.count(sa.text("*"))),
    "a stable function": sa.select(sa.func.now()),
    "grammar that looks like a function": sa.select(sa.func.coalesce(User.name, "x"), sa.func.current_date()),
    "a window": sa.select(sa.func.row_number().over(partition_by=User.id)),
    "a filtered aggregate": sa.select(sa.func.sum(User.id).filter(User.id > 3)),
    "an ordered-set aggregate": sa.select(sa.func.percentile_cont(0.5).within_group(User.id)),
    "EXISTS": sa.select(User).where(sa.exists(sa.literal_column("1")).where(Post.user_id == User.id)),
    "a lateral join": sa.select(users, sa.select(posts).lateral()),
    "an order by a label": sa.select(User.id.label("n")).order_by("n"),
    "a function with an odd name": sa.select(getattr(sa.func, "Mixed Case")(1)),
    "a table-valued function": sa.select(sa.func.generate_series(1, 3).table_valued("n")),
    "an operator": sa.select(User).where(User.name.op("||")("x") == "yx"),
    "values": sa.select(sa.values(sa.column("q", sa.Integer), name="q").data([(1,), (sa.func.length("x"),)])),
    "an operator that is words": sa.select(User.name.op("similar to")("x"), User.id.op("@>")(1)),
    "a cast to somebody's name for a standard type": sa.select(sa.cast(User.id, Renamed())),
    "a column of a type of somebody's": sa.select(sa.column("c", Domain()), sa.func.lower(sa.literal("x", Renamed()))),
    "a part of a date": sa.select(sa.extract("year", sa.func.now())),
    "a plain view as text": sa.select(sa.text("id")).select_from(sa.text("public.plain")),
    "a plain view": sa.select(sa.table("plain", sa.column("id"))),
    "a cast and a CASE": sa.select(sa.case((User.id > 3, sa.cast(User.id, sa.Text)), else_="")),
    "arrays and JSON": sa.select(postgresql.array([1, 2]), sa.func.jsonb_build_object("a", 1)),
}

OTHERS = {
    "text": (sa.text("SELECT 1"), "not a select()"),
    "text within": (sa.select(User).where(sa.text("id > 3")), "text"),
    "a literal column that calls": (sa.select(sa.literal_column("nextval('s')")), "text"),
    "an insert": (sa.insert(users), "not a select()"),
    "a statement of text": (sa.select(User).from_statement(sa.text("SELECT * FROM users")), "not a select()"),
    "DDL": (sa.DDL("DROP TABLE users"), "not a select()"),
    "a sequence": (sa.Sequence("users_id_seq"), "not a"),
    "a sequence within": (sa.select(sa.Sequence("users_id_seq").next_value()), "next_value"),
    "a string": ("SELECT 1", "not a"),
    "a lock": (sa.select(User).with_for_update(), "locks rows"),
    "a lock in a subquery": (sa.select(sa.select(users).with_for_update().subquery()), "locks rows"),
    "a shared lock": (sa.select(User).with_for_update(read=True), "locks rows"),
    "a write in a CTE": (sa.select(sa.delete(users).returning(users.c.id).cte()), "writes"),
    "a write in a CTE that nothing reads": (sa.select(users).add_cte(sa.delete(posts).cte()), "writes"),
    "nextval": (sa.select(sa.func.nextval("users_id_seq")), "nextval is volatile"),
    "a function in capitals": (sa.select(sa.func.NEXTVAL("users_id_seq")), "volatile"),
    "a qualified function": (sa.select(sa.func.pg_catalog.setval("s", 1)), "setval is volatile"),
    "an advisory lock": (sa.select(sa.func.pg_advisory_xact_lock(1)), "volatile"),
    "set_config": (sa.select(sa.func.set_config("a.b", "c", False)), "volatile"),
    "an unknown function": (sa.select(sa.func.nobody_knows(1)), "not known"),
    "one volatile of two": (sa.select(sa.func.overloaded(1)), "volatile"),
    "a volatile function of a table": (sa.select(sa.func.dblink("x", "y").table_valued("n")), "dblink"),
    "a volatile function in ORDER BY": (sa.select(User).order_by(sa.func.random()), "random is volatile"),
    "a volatile function behind an operator": (sa.select(User).where(User.id.op("~~~~")(1)), "~~~~"),
    "a view that calls one": (sa.select(sa.table("dice", sa.column("id"))), "dice"),
    "a view above it": (sa.select(sa.table("above_dice", sa.column("id"))), "above_dice"),
    "a policy that calls one": (sa.select(sa.table("secrets", sa.column("id"))), "secrets"),
    "an unlogged table": (sa.select(sa.table("scratch", sa.column("id"))), "scratch"),
    "a prefix": (sa.select(User).prefix_with("/* hint */"), "text"),
    "a statement hint": (sa.select(User).with_statement_hint("FOR UPDATE"), "text"),
    "what somebody compiles": (sa.select(shouted()), "its own way"),
    "values that call": (sa.select(drawn), "random is volatile"),
    "values named beforehand that call": (sa.select(drawn.cte()), "random is volatile"),
    "values that call, as an expression": (sa.select(drawn.scalar_values()), "random is volatile"),
    "values that are text": (sa.select(drawn.data([(sa.literal_column("f()"),)])), "volatile"),
    "a qualified operator": (sa.select(User.id.op("OPERATOR(public.~~~~)")(1)), "text"),
    "an operator that is text": (sa.select(User.id.op("= 1 AND wanders(1, 1) AND 1 =")(1)), "text"),
    "an operator that begins a comment": (sa.select(User.id.op("--")(1)), "text"),
    "an operator before its operand": (sa.select(sa.column("c").op("@")(1), ~sa.column("c").op("f() +")(2)), "text"),
    "a cast to a type of somebody's": (sa.select(sa.cast(User.id, Domain())), "type Domain"),
    "a cast to what is one inside": (sa.select(sa.cast(User.id, Wrapped())), "type Wrapped"),
    "a cast to an array of it": (sa.select(sa.cast(User.id, postgresql.ARRAY(Domain()))), "type ARRAY"),
    "a cast to a domain": (sa.select(sa.cast(User.id, postgresql.DOMAIN("lucky", sa.Integer))), "type DOMAIN"),
    "a function of a row, as a column": (sa.select(sa.table("users", sa.column("row_of")).c.row_of), "row_of"),
    "a function of a row, as text": (sa.select(sa.literal_column("users.row_of")), "row_of"),
    "a function of a row, as text in capitals": (sa.select(sa.literal_column("users.ROW_OF")), "of a whole row"),
    "a function of a row, as one word": (sa.select(sa.text("users.Row_Of")).select_from(users), "of a whole row"),
    "a function of a row, not quoted": (sa.select(sa.column(quoted_name("ROW_OF", quote=False))), "of a whole row"),
    "a view as text": (sa.select(sa.column("roll")).select_from(sa.text("dice")), "dice"),
    "a view as text of a schema": (sa.select(sa.text("*")).select_from(sa.text("public.Dice")), "Dice"),
    "a view as text in a join": (sa.select(users).join(sa.text("dice"), sa.true()), "dice"),
    "a view as text in a join of Core": (sa.select(sa.join(users, sa.text("dice"), sa.true())), "dice"),
    "a view that is not quoted": (sa.select(sa.table(quoted_name("DICE", quote=False), sa.column("roll"))), "DICE"),
    "an unlogged table as text": (sa.select(sa.text("*")).select_from(sa.text("scratch")), "scratch"),
    "a sequence as text": (sa.select(sa.text("last_value")).select_from(sa.text("users_id_seq")), "users_id_seq"),
    "a relation that is not known": (sa.select(sa.table("nobody_knows")), "relation nobody_knows is not known"),
    "one as text": (sa.select(sa.text("*")).select_from(sa.text("nobody_knows")), "relation nobody_knows is not known"),
    "a name that is not quoted": (sa.select(sa.column(sa.sql.quoted_name("nextval('s')", False))), "text"),
    "a part of a date that is text": (sa.select(sa.extract("year from nextval('s')", sa.func.now())), "text"),
    "a type that calls a function": (sa.select(sa.column("c", Sealed())), "overloaded is volatile"),
}


@pytest.mark.parametrize("what", READS)
def test_a_pure_read_is_known_as_one(what: str, classifier: Classifier) -> None:
    """What applications read by every day is not held back, as written and as sent."""
    statement: Any = READS[what]
    assert classifier.why_not(statement) is None
    assert classifier.why_not_sent(statement.compile(dialect=postgresql.dialect())) is None
    assert not is_known_write(statement)


@pytest.mark.parametrize("what", OTHERS)
def test_anything_else_stays_on_the_primary(what: str, classifier: Classifier) -> None:
    """And it is said why."""
    statement, why = OTHERS[what]
    assert why in str(classifier.why_not(statement))


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(Lucky),
        sa.select(sa.select(Lucky).subquery()),
        sa.union_all(sa.select(Lucky), sa.select(Lucky)),
        sa.select(User).options(with_loader_criteria(User, lambda kind: kind.id > sa.func.random())),
        sa.select(Post).options(with_loader_criteria(Post, Post.id > sa.func.random())),
    ],
)
def test_what_mapping_and_options_add_is_seen_before_it_is_sent(statement: Any, classifier: Classifier) -> None:
    """The statement as written may be a read where what the ORM makes of it is none."""
    assert "random is volatile" in str(classifier.why_not_sent(statement.compile(dialect=postgresql.dialect())))


def test_the_same_shape_is_judged_alike_whatever_its_values(classifier: Classifier) -> None:
    """A remembered verdict never passes to a statement of another shape."""
    for number in range(3):
        assert classifier.why_not(sa.select(User).where(User.id == number)) is None
        assert classifier.why_not(sa.select(User).where(User.id == number).with_for_update()) is not None
        assert classifier.why_not(sa.select(sa.func.lower(str(number)))) is None
        assert classifier.why_not(sa.select(sa.func.setseed(number))) is not None


def test_without_knowledge_nothing_is_a_read_and_new_knowledge_replaces_old(classifier: Classifier) -> None:
    """What the catalogs say may change while a program runs."""
    ignorant = Classifier()
    statement = sa.select(sa.func.lower("A"))
    assert "not known yet" in str(ignorant.why_not(statement))
    assert classifier._known.volatility is not None
    ignorant.learn(classifier._known.volatility)
    assert ignorant.why_not(statement) is None


def test_a_name_that_is_not_known_has_the_database_asked_again() -> None:
    """It may be new; a name that it has not all the same is asked for again only after a while."""
    asked: list[str] = []
    statement, nothing = sa.select(sa.table("new", sa.column("id"))), frozenset[str]()

    def look() -> None:
        asked.append("catalogs")
        if len(asked) == 2:
            hurried.learn(Volatility(nothing, nothing, nothing, nothing, frozenset({"new"})))

    hurried, patient = Classifier(look, every=0.0), Classifier(look, every=60.0)
    for each in (patient, hurried):
        each.learn(Volatility(nothing, nothing, nothing, nothing, nothing))
    assert [patient.why_not(statement) is None for _ in range(3)] == [False] * 3
    assert len(asked) == 1
    assert hurried.why_not(statement) is None
    assert len(asked) == 2
    compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert hurried.why_not_sent(compiled) is None
    assert "not known" in str(patient.why_not_sent(compiled))


def test_writes_are_known_by_their_kind() -> None:
    """Inserts, updates, deletes and locks, wherever they stand."""
    within = (statement for what, (statement, _) in OTHERS.items() if "CTE" in what or "lock in" in what)
    for statement in (sa.insert(users), sa.update(users), sa.delete(users), *within):
        assert is_known_write(statement)
    assert not is_known_write(sa.text("DELETE FROM users"))
    assert not is_known_write(None)


class _Meanwhile(sa.types.UserDefinedType[int]):
    """A type that is looked at after the function that it belongs to; something happens then."""

    cache_ok = True
    happens: ClassVar[list[Callable[[], None]]] = []

    def column_expression(self, colexpr: Any) -> Any:
        if self.happens:
            self.happens.pop()()
        return colexpr


@pytest.mark.parametrize("sent", [False, True], ids=["asked", "sent"])
def test_a_verdict_of_before_does_not_outlive_what_is_learned_meanwhile(sent: bool) -> None:
    """Another thread may learn that a function is volatile now, just when it was found to be none."""
    classifier = Classifier()
    functions, nothing = frozenset({"drifts"}), frozenset[str]()
    classifier.learn(Volatility(functions, nothing, nothing, nothing, nothing))
    statement = sa.select(sa.func.drifts(type_=_Meanwhile()))
    compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]

    def why_not() -> Reason | None:
        return classifier.why_not_sent(compiled) if sent else classifier.why_not(statement)

    _Meanwhile.happens.append(lambda: classifier.learn(Volatility(functions, functions, nothing, nothing, nothing)))
    assert why_not() is None
    assert not _Meanwhile.happens
    assert str(why_not()) == "the function drifts is volatile"
