"""The notes of a run without its documents: a holder of `Notes` can read no document's text."""

from __future__ import annotations

from funnel.workspace.workspace import Workspace


class Notes:
    """The notes of a run, by key."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def put(self, key: str, text: str) -> None:
        """Store a text under a key, in place of any earlier one. Raises: `MemoryFailed`."""
        await self._workspace.note(key, text)

    async def all(self) -> dict[str, str]:
        """Return every note, by key. Raises: `MemoryFailed`."""
        return await self._workspace.notes()
