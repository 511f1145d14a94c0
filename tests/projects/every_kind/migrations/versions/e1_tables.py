"""Every usual operation, and rows through SQLAlchemy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e1"
down_revision = None


def upgrade() -> None:
    pet = op.create_table(
        "pet",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), comment="what it answers to"),
        sa.Column("mood", sa.Enum("happy", "grumpy", name="mood")),
        sa.Column("tags", postgresql.JSONB),
        sa.Column("age", sa.SmallInteger),
    )
    op.bulk_insert(
        pet,
        [
            {"name": "Rex", "mood": "happy", "tags": {"likes": ["bones", "it's"]}, "age": 2},
            {"name": "Tom", "mood": "grumpy", "tags": None, "age": 4},
        ],
    )
    op.alter_column("pet", "age", type_=sa.Integer, existing_type=sa.SmallInteger, nullable=False, server_default="1")
    op.create_index("pet_by_name", "pet", ["name"], unique=True)
    op.create_check_constraint("pet_age_positive", "pet", "age > 0")
    op.execute(sa.text("UPDATE pet SET age = :age WHERE name = :name").bindparams(age=3, name="Rex"))
    op.execute("COMMENT ON TABLE pet IS '100% ours'")
    op.execute(pet.update().where(pet.c.name == "Tom").values(age=9))
    op.get_bind().execute(pet.insert().values(name="Ida", mood="happy", tags=[1, {"a": None}]))
    op.rename_table("pet", "animal")
    op.drop_constraint("pet_age_positive", "animal")
    op.drop_column("animal", "age")


def downgrade() -> None:
    op.drop_table("animal")
    op.execute("DROP TYPE mood")
