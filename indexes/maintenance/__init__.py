"""Maintenance of a collection: verification, erasure with proof, backups, watching files."""
