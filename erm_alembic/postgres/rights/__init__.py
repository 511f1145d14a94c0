"""Which rights the server asks for: what it refuses, on which object, and who has what of it."""
