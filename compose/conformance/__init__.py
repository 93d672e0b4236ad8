"""`saraban-conformance`: a bus of its own, a counterpart, and numbered steps through which a foreign client goes."""
