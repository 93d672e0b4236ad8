"""Everything that differs between POSIX and Windows, chosen once by what the system can do."""
