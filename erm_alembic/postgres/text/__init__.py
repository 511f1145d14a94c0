"""What can be told from the words of a SQL text, and what cannot."""
