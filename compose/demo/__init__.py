"""The demonstration: seven agencies, their offices and clerks, and everything that may happen to a letter."""
