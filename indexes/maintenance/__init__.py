"""Looking after a collection: verification, erasure with proof, backups, following files."""
