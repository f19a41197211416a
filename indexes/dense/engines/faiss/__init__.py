"""The FAISS engine: a vector file and a log of what changed since."""
