"""Sessions of `erm_alembic.routing` on a real Patroni cluster of three whose leader changes.

Not a part of the suite: `make patroni` runs it, in two minutes a round.
"""
