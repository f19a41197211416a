"""Drives a bubblewrap sandbox from outside; checks everything that comes out of it."""
