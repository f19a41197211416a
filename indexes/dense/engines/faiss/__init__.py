"""The FAISS engine: a vector file and a log of the changes since it was written."""
