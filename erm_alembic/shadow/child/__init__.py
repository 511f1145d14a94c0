"""The process that runs the project's code in the shadow, kept from everything else, and its parent's side of it."""
