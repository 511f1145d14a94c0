"""What erm costs beside plain Alembic: `python -m benchmarks` (or `make bench`)."""
