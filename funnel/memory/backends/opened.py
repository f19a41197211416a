"""The part that all memories with open files or connections share: the URL, and a warning if never closed."""

from __future__ import annotations

import warnings

from funnel.errors import MemoryFailed


def closed(url: str) -> MemoryFailed:
    """Return the error for a call to a memory that was closed."""
    return MemoryFailed(url, "it is closed. Open it again with open_memory.")


class OpenedMemory:
    """Base class of a memory that has to be closed; warns if it is garbage-collected while open.

    The constructor of a subclass calls `_opened` last, so that a memory whose constructor failed does not
    warn. Its `close` sets `_closed`.
    """

    _url = ""
    _closed = True

    def _opened(self, url: str) -> None:
        self._url = url
        self._closed = False

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"memory {self._url} was never closed", ResourceWarning, source=self, stacklevel=1)

    @property
    def url(self) -> str:
        """The URL, without credentials."""
        return self._url

    def _require_open(self) -> None:
        """Check that this is open. Raises: `MemoryFailed` if it was closed."""
        if self._closed:
            raise closed(self._url)
