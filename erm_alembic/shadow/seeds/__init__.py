"""Rows for the tables of a shadow, made from its catalog and respecting its constraints."""
