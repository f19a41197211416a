"""Evaluates rankings with labelled queries, and fits the fusion weight to them."""
