"""Loads files and folders as Documents with `load(paths)`; each family of formats has its own file."""

from indexes.loaders.loading import Loading, load

__all__ = ["Loading", "load"]
