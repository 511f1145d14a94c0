"""The report of a plan: its parts, and the page in a real browser."""
