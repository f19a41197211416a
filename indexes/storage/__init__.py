"""Files that survive crashes: locks, checksums, SQLite connections, fault injection."""
