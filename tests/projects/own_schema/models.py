"""The models of the own_schema project."""

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text

metadata = MetaData(schema="library")

author = Table(
    "author",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
)

book = Table(
    "book",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("author_id", Integer, ForeignKey(author.c.id), nullable=False),
    Column("title", Text, nullable=False),
    Column("isbn", Text),
    Index("book_author_id", "author_id"),
)
