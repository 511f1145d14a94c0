import pytest
from shop.models import Customer, Order, OrderStatus
from sqlalchemy import select

pytestmark = pytest.mark.erm_smoke


def test_orders_can_be_read(erm_smoke_session):
    erm_smoke_session.scalars(select(Order).limit(10)).all()


@pytest.mark.erm_smoke(writes=True)
def test_an_order_can_be_placed(erm_smoke_session):
    customer = Customer(email="smoke@example.com", full_name="Smoke Test")
    erm_smoke_session.add(customer)
    erm_smoke_session.flush()
    erm_smoke_session.add(Order(customer_id=customer.id, status=OrderStatus.PLACED))
    erm_smoke_session.flush()
