"""Sessions of `erm_alembic.routing` on a real Patroni cluster of three, through a switchover and a failover.

Not a part of the suite: `make patroni` runs it, in two minutes a round.
"""
