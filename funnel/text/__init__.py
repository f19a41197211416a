"""Pure functions over text: sentences, and citations as spans of stored text."""
