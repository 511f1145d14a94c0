"""What a revision would send, recorded while nothing is written."""
