"""Tests of the project itself: its imports, its lock, its commands."""
