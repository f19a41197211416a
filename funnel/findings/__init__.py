"""Findings of runs about documents: recorded with their provenance, stored, recalled."""
