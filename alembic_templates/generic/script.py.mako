"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

# Alembic reads these.
revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


# The way back: undo what upgrade() does, in the opposite order. `erm migrate` refuses a revision whose downgrade()
# does nothing. Where there is no way back, say why instead, in a line of its own beside `revision` above:
#     irreversible = "the old prices are not kept"
def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
