"""The desk: pages for the clerks and the IT of an agency whose office has no system of its own."""
