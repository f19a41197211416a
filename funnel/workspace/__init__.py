"""What one run reads and writes through a memory: documents in pages, notes, grep and search."""
