"""Vector engines, one module or folder each."""
