"""`sqlite:///`: a memory in one SQLite file that several processes may share."""
