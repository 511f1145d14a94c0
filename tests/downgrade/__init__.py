"""Whether a revision can go down, read from its source."""
