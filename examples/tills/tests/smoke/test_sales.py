"""What must work after each deployment."""

import pytest
from sqlalchemy import insert, select, text
from tills.models import Customer, Sale, Till

pytestmark = pytest.mark.erm_smoke


def test_sales_can_be_read(erm_smoke_session):
    assert erm_smoke_session.scalars(select(Sale.cents).limit(10)).all()


@pytest.mark.erm_smoke(writes=True)
def test_a_sale_can_be_made(erm_smoke_session):
    customer = erm_smoke_session.scalar(select(Customer.id).limit(1))
    till = erm_smoke_session.scalar(select(Till.id).limit(1))
    erm_smoke_session.execute(insert(Sale).values(till_id=till, number=0, customer_id=customer, cents=1))


def test_the_accountants_find_an_old_sale(erm_smoke_session):
    found = erm_smoke_session.execute(text("SELECT count(*) FROM sales WHERE old_reference LIKE 'book-%' AND id < 100"))
    assert found.scalar_one() > 0, "the accountants look for sales by the reference of the old books"
