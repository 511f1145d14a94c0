"""PostgreSQL itself: connections, the deploy lock, the gate of statements, and all SQL that asks the catalogs."""
