"""Settings of the bus and of an adapter: a TOML file, overruled by the environment.

A relative path is relative to the file that it stands in (or to the working folder, when there is no file). What
is secret never stands in the file: it comes from the environment or from a file of its own that only its owner
can read. Every mistake is reported at once.
"""
