"""What a rehearsal sees of statements and revisions, and what the plan says of it."""
