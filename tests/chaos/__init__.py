"""Seeded random-fault runs: a plan drawn from a seed, real processes that carry it out, and a checker of its own."""
