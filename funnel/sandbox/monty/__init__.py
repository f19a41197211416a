"""The Monty engine: a small Python of its own in worker processes."""
