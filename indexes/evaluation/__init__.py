"""What a ranking is worth by labelled queries, and the fusion weight fitted to them."""
