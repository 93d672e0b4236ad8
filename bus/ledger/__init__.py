"""The ledger: append-only entries, the documents they speak of, and what follows from them."""
