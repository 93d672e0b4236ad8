"""What is shown of the ledger and the broker, as plain values: for commands, for pages and for files alike."""
