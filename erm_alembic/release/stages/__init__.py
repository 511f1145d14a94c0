"""The stages of a release: one file each, one thing each."""
