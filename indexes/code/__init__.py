"""Reads source code: what is defined where, and where a name is used. Knows grammars, no documents."""
