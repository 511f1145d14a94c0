"""Where a statement goes: whether it may leave the primary, and which replica that is fresh enough it takes."""
