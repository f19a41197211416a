"""Language models behind one protocol, one file each; `meter` is the one way by which a run calls them."""
