"""Files and folders to Documents: `load(paths)` is the way in; each format family has a file of its own."""

from indexes.loaders.loading import Loading, load

__all__ = ["Loading", "load"]
