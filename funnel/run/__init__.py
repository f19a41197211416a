"""The life of one run: its options, what its parts share, its start, resume and end."""
