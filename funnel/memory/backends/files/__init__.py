"""`file:///dir`: a memory in a directory that several processes may share."""
