"""Where model-written code runs, behind one protocol, one file an engine."""
