"""Memory backends, one module or folder each; none knows another."""
