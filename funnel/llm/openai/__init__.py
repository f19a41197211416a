"""Models behind the OpenAI chat completions API; everything specific to that API is here."""
