"""Loading servers while something happens to them: what the runs of chaos and of Patroni, and the benchmarks, share."""
