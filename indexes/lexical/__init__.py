"""Search engines over analysed terms, one file each."""
