"""What was run on a database: who, when, how long, which file, how it ended. Kept in a schema of its own.

Nothing is imported here: what a plan knows of the ledger (`ledger.backups`) is read where no database is asked.
"""
