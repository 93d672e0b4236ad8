"""What every face of pages for people has in common: sign-in, sessions, headers, words, and the list of sign-ins."""
