"""Flask: a note that was written by one request is read by the next one, whichever process answers it.

flask --app flask_app run
"""

from __future__ import annotations

from typing import Any

import notes
from flask import Flask, request
from sqlalchemy import select

from erm_alembic.routing.integrations.wsgi import CausalMiddleware

cluster = notes.connect()
new_session = cluster.sessionmaker(read="pages")
cluster.status()  # begins to watch the replicas

app = Flask(__name__)
app.wsgi_app = CausalMiddleware(app.wsgi_app, cluster=cluster, secret=notes.SECRET)  # type: ignore[method-assign]


@app.post("/notes/<int:number>")
def write(number: int) -> dict[str, Any]:
    """Write a note; committed before the response begins, so that its cookie stands for it."""
    with new_session() as session:
        session.add(notes.Note(id=number, text=request.args["text"]))
        session.commit()
    return {"wrote": request.args["text"]}


@app.get("/notes")
def read() -> dict[str, Any]:
    """Read all notes, and say where they came from."""
    with new_session() as session:
        found = session.scalars(select(notes.Note).order_by(notes.Note.id)).all()
        route = session.last_route
        return {"notes": [note.text for note in found], "from": route.name if route else None}
