"""A worker process in which parsers may crash, hang or take all memory without harm; knows no format."""
