"""Going on with a revision of which a part is committed: what is noted of it, and which statement each note means."""
