"""The depot: files by content address, given only to the parties of a letter."""
