"""Revisions that are written in SQL, and the directories of other tools that become such revisions."""
