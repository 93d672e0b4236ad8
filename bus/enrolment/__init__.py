"""How an agency joins: invited by the centre, it asks by HTTPS to have its key pinned, and an operator approves."""
