"""The one truth of a collection: its SQLite file."""
