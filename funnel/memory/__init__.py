"""Where an inspector's documents, notes, journal and caches live, one file a backend."""
