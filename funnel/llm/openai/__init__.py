"""Models behind the OpenAI chat completions API, and everything that is particular to it."""
