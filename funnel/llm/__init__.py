"""Language models behind one protocol, one file each."""
