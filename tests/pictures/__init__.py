"""The pictures of docs/, made from real runs: `make pictures`."""
