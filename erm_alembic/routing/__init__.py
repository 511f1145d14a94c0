"""Sessions whose reads go to replicas that are fresh enough."""
