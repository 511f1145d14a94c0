"""What the servers of a cluster say of themselves, asked in the background and published as one value."""
