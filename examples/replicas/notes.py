"""What the three applications share: one model, and the cluster that the environment names.

NOTES_PRIMARY=postgresql://app@db/notes
NOTES_REPLICA=postgresql://app@replica/notes    (without it everything goes to the primary)
NOTES_SECRET=a long random text
"""

from __future__ import annotations

import os

from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erm_alembic.routing import Cluster, ReplicaConfig, ReplicaReadOptions, connect_cluster


class Base(DeclarativeBase):
    """The models."""


class Note(Base):
    """Something that somebody wrote down."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)


def connect() -> Cluster:
    """The cluster, with a policy for pages that may be a little old."""
    replica = os.environ.get("NOTES_REPLICA")
    replicas = [ReplicaConfig("replica", replica)] if replica else []
    cluster = connect_cluster(os.environ["NOTES_PRIMARY"], replicas, monitor_interval=0.2)
    return cluster.use_replica_policies(None, {"pages": ReplicaReadOptions(max_lag="30s")})


SECRET = os.environ.get("NOTES_SECRET", "for trying out only")
