"""A cluster as people want to see it."""
