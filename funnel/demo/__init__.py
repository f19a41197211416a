"""The documents of `funnel demo`: Python's own documentation, which every installation has."""
