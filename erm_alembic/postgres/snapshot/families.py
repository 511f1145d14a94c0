"""All families of objects that a snapshot reads, each in a visible tuple."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.columns import COLUMNS, VIEW_COLUMNS
from erm_alembic.postgres.snapshot.constraints import CONSTRAINTS
from erm_alembic.postgres.snapshot.foreign import FOREIGN_SERVERS, USER_MAPPINGS, WRAPPERS
from erm_alembic.postgres.snapshot.functions import AGGREGATES, FUNCTIONS
from erm_alembic.postgres.snapshot.indexes import INDEXES
from erm_alembic.postgres.snapshot.labels import EXTENSION_DEPENDENCIES, LABELS
from erm_alembic.postgres.snapshot.of_database import DATABASE_GRANTS, DATABASE_SETTINGS
from erm_alembic.postgres.snapshot.operators import (
    ACCESS_METHODS,
    CASTS,
    COLLATIONS,
    CONVERSIONS,
    LANGUAGES,
    OPERATOR_CLASSES,
    OPERATOR_FAMILIES,
    OPERATORS,
    TRANSFORMS,
)
from erm_alembic.postgres.snapshot.policies import POLICIES
from erm_alembic.postgres.snapshot.privileges import DEFAULT_PRIVILEGES, GRANTS, OWNERS
from erm_alembic.postgres.snapshot.publications import PUBLICATIONS, PUBLISHED, SUBSCRIPTIONS
from erm_alembic.postgres.snapshot.schemas import EXTENSIONS, SCHEMAS
from erm_alembic.postgres.snapshot.sequences import SEQUENCES
from erm_alembic.postgres.snapshot.statistics import STATISTICS
from erm_alembic.postgres.snapshot.tables import TABLES, VIEWS
from erm_alembic.postgres.snapshot.text_search import CONFIGURATIONS, DICTIONARIES, PARSERS, TEMPLATES
from erm_alembic.postgres.snapshot.triggers import EVENT_TRIGGERS, RULES, TRIGGERS
from erm_alembic.postgres.snapshot.types import (
    BASE_TYPES,
    COMPOSITE_TYPES,
    DOMAIN_CONSTRAINTS,
    DOMAINS,
    ENUMS,
    RANGES,
)

__all__ = ["FAMILIES", "NOT_DUMPED", "OF_DATABASE"]

# The schema.
FAMILIES = (
    SCHEMAS,
    EXTENSIONS,
    TABLES,
    COLUMNS,
    VIEWS,
    VIEW_COLUMNS,
    CONSTRAINTS,
    INDEXES,
    SEQUENCES,
    ENUMS,
    DOMAINS,
    DOMAIN_CONSTRAINTS,
    COMPOSITE_TYPES,
    RANGES,
    BASE_TYPES,
    FUNCTIONS,
    AGGREGATES,
    TRIGGERS,
    EVENT_TRIGGERS,
    RULES,
    POLICIES,
    STATISTICS,
    COLLATIONS,
    CONVERSIONS,
    CASTS,
    OPERATORS,
    OPERATOR_FAMILIES,
    OPERATOR_CLASSES,
    LANGUAGES,
    TRANSFORMS,
    ACCESS_METHODS,
    PARSERS,
    TEMPLATES,
    DICTIONARIES,
    CONFIGURATIONS,
    WRAPPERS,
    FOREIGN_SERVERS,
    USER_MAPPINGS,
    PUBLICATIONS,
    PUBLISHED,
    SUBSCRIPTIONS,
    OWNERS,
    GRANTS,
    DEFAULT_PRIVILEGES,
    LABELS,
    EXTENSION_DEPENDENCIES,
)

# What the shadow's dumps of a schema leave out: it needs another server, or what a server has loaded.
NOT_DUMPED = (SUBSCRIPTIONS, LABELS)
# What belongs to the database as a whole.
OF_DATABASE = (DATABASE_SETTINGS, DATABASE_GRANTS)
