"""The service that the tills talk to: sales go to the primary, questions to a replica that is fresh enough.

uvicorn --factory tills.service:application
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import func, insert, select, text, update

from erm_alembic.routing import connect_cluster_from_config
from erm_alembic.routing.integrations.asgi import CausalMiddleware
from tills.models import Sale, Till

GIFT = text("UPDATE sales SET gift_message = :message WHERE till_id = :till AND number = :number")


def application() -> FastAPI:
    """The service, with the servers and policies of the profile `service`."""
    cluster = connect_cluster_from_config("service")
    new_session = cluster.sessionmaker(expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        cluster.wait_until_ready("10s")
        yield
        cluster.close()

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(CausalMiddleware, cluster=cluster, secret=os.environ["CAUSAL_SECRET"])

    @app.post("/tills/{till}/sales/{number}")
    def sell(till: int, number: int, customer: int, cents: int) -> dict[str, int]:
        """Note a sale of a till."""
        with new_session() as session, session.begin():
            session.execute(update(Till).where(Till.id == till).values(last_sale=number))
            session.execute(insert(Sale).values(till_id=till, number=number, customer_id=customer, cents=cents))
        return {"number": number}

    @app.get("/tills/{till}")
    def last_sale(till: int, policy: str = "fresh") -> dict[str, Any]:
        """The number of a till's last sale, and who knew it."""
        with new_session(read=policy) as session:
            number = session.scalar(select(Till.last_sale).where(Till.id == till))
            return {"number": number, "from": session.last_route.name}

    @app.get("/customers/{customer}/sales")
    def of_customer(customer: int) -> dict[str, Any]:
        """How often somebody has bought, and for how much."""
        with new_session(read="reporting") as session:
            wanted = select(func.count(Sale.id), func.sum(Sale.cents)).where(Sale.customer_id == customer)
            sales, cents = session.execute(wanted).one()
            return {"sales": sales, "cents": int(cents or 0), "from": session.last_route.name}

    @app.put("/tills/{till}/sales/{number}/gift")
    def gift(till: int, number: int, message: str) -> dict[str, int]:
        """What is to stand on the parcel: for shops that have it switched on."""
        with new_session() as session, session.begin():
            session.execute(GIFT, {"till": till, "number": number, "message": message})
        return {"number": number}

    return app
