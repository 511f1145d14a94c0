"""Revisions that are written in SQL: a pair of scripts, and beside it a small revision file that runs them."""
