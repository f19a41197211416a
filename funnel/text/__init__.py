"""Pure functions on text: sentences, and citations as spans of stored text."""
