"""Answers questions over thousands of documents: retrieval first, recursion where it pays."""
