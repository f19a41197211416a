"""The catalog of a collection: the SQLite file from which everything else is derived."""
