"""The shop's application code; only its models matter here."""
