"""The project's Alembic directory: its graph, its env.py, what its revisions send. Only here is Alembic imported."""
