"""What every face of pages for people has in common: sign-in, sessions, headers, words; no page."""
