"""Tables of the office's own database as a door: docs/doors.md."""
