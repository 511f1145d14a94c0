"""What `erm repair` does to a half-done revision."""
