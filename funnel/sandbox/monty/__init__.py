"""The Monty engine: a small Python interpreter (pydantic-monty) in worker processes."""
