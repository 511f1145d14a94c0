"""FastAPI: a note that was written by one request is read by the next one, whichever process answers it.

uvicorn fastapi_app:app
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import notes
from fastapi import Depends, FastAPI
from sqlalchemy import select

from erm_alembic.routing.integrations.asgi import CausalMiddleware
from erm_alembic.routing.sessions.asynchronous import AsyncRoutingSession

cluster = notes.connect()
new_session = cluster.async_sessionmaker(read="pages")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Watch the replicas for as long as the application runs."""
    cluster.status()
    yield
    await cluster.aclose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(CausalMiddleware, cluster=cluster, secret=notes.SECRET)


async def session() -> AsyncIterator[AsyncRoutingSession]:
    """One session for each request."""
    async with new_session() as one:
        yield one


Session = Annotated[AsyncRoutingSession, Depends(session)]


@app.post("/notes/{number}")
async def write(number: int, text: str, session: Session) -> dict[str, str]:
    """Write a note; committed before the response begins, so that its cookie stands for it."""
    session.add(notes.Note(id=number, text=text))
    await session.commit()
    return {"wrote": text}


@app.get("/notes")
async def read(session: Session) -> dict[str, object]:
    """Read all notes, and say where they came from."""
    found = (await session.scalars(select(notes.Note).order_by(notes.Note.id))).all()
    route = session.last_route
    return {"notes": [note.text for note in found], "from": route.name if route else None}
