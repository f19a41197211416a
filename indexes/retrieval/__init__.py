"""Searching, from a query to ranked documents: analysis, scope, retrievers, fusion."""
