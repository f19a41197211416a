"""The notes of a run, apart from its documents: whoever holds these can read no document's text."""

from __future__ import annotations

from funnel.workspace.workspace import Workspace


class Notes:
    """What a run notes, by key."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def put(self, key: str, text: str) -> None:
        """Keep a text under a key; an earlier one of that key is replaced. Raises: `MemoryFailed`."""
        await self._workspace.note(key, text)

    async def all(self) -> dict[str, str]:
        """Return every note, by key. Raises: `MemoryFailed`."""
        return await self._workspace.notes()
