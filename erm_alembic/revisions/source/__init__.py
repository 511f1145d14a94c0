"""Revision files read as text and syntax trees: never imported, and without Alembic."""
