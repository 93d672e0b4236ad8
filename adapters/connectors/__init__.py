"""Connectors: how an office system hands letters to the adapter and takes them from it."""
