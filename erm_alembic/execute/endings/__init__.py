"""How a run ended: what failed, what it leaves behind and what to do about it, and that the ledger has it."""
