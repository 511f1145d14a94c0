"""A plan, or findings, as a comment on a pull request."""
