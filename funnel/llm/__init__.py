"""Language models behind one protocol, one file each; `meter` is the only way in which a run calls them."""
