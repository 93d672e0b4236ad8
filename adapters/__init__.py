"""The adapter that each agency runs: its outbox, its inbox and its signing key."""
