"""`redis://`: a memory in a Redis or Valkey server."""
