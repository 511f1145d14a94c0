"""The checks: what may object to a plan."""
