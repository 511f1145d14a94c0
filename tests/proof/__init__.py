"""Downgrades proven: what a way down forgets, and what it loses, is found; a right one raises no alarm."""
