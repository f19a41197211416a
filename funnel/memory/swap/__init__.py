"""Changing one memory for another while it is used, and copying everything it holds."""
