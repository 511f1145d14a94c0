"""A trial run in the shadow: as a role without rights, which gets each right that the server asks for."""
