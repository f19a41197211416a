"""Replacing a memory by another while it is in use, and copying all its values."""
