"""The private PostgreSQL server behind `embedded://NAME` and `erm dev`."""
