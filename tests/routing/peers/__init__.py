"""What routing of reads gets wrong elsewhere: the same scenarios for erm and for others, each at its best."""
