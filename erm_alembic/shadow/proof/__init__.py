"""Whether a revision can be taken back: it goes up, down and up again, with rows and without."""
