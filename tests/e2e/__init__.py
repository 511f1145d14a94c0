"""A release from end to end, with real servers: `make e2e` runs it at its whole size, and tells it as a story."""
