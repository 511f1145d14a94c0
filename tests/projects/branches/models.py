"""The models of both branches."""

from sqlalchemy import Column, Date, ForeignKey, Integer, MetaData, Table, Text

metadata = MetaData()

account = Table("account", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
member = Table("member", metadata, Column("id", Integer, primary_key=True), Column("mail", Text))
invoice = Table(
    "invoice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey(account.c.id)),
    Column("due", Date),
)
