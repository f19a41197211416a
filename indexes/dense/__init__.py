"""Embedders and the vector engine, one file each."""
