"""Evidence packs: what the ledger can show about a letter, in one file that verifies without the bus."""
