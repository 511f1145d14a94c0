"""Celery: a task sees what its sender has written.

celery -A celery_app worker
"""

from __future__ import annotations

import os
from typing import Any

import notes
from celery import Celery
from sqlalchemy import select

from erm_alembic.routing.integrations.celery import CausalTasks

app = Celery(
    "notes", broker=os.environ.get("NOTES_BROKER", "amqp://"), backend=os.environ.get("NOTES_RESULTS", "rpc://")
)
app.conf.broker_transport_options = {
    name: os.environ[variable]
    for name, variable in (("data_folder_in", "NOTES_FOLDER"), ("data_folder_out", "NOTES_FOLDER"))
    if variable in os.environ
}

cluster = notes.connect()
new_session = cluster.sessionmaker(read="pages")
causal_tasks = CausalTasks(cluster)
cluster.status()  # begins to watch the replicas


@app.task
def read() -> dict[str, Any]:
    """Read all notes, and say where they came from."""
    with new_session() as session:
        found = session.scalars(select(notes.Note).order_by(notes.Note.id)).all()
        route = session.last_route
        return {"notes": [note.text for note in found], "from": route.name if route else None}
