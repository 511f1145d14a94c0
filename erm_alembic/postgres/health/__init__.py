"""How a server in use is doing: what its statistics, locks and catalogs say at one moment, one part a file."""
