"""Saraban Bus: signed letters between agencies, over RabbitMQ, with a ledger that remembers everything."""
