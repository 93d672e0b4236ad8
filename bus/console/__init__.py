"""The console: pages on which operators see their queues, and auditors read their ledger, in a browser."""
