"""Tests are sentences about real components; what they start, they stop."""
