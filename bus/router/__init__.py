"""The router: the numbered gates, the fan-out and the deadlines."""
