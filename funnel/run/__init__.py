"""One run from its options to its end: what its parts share, how it begins, resumes and ends."""
