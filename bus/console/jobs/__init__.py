"""Long work: asked for on a page, done in a process of its own, taken up again after a restart, stopped on demand."""
