"""The notes of a run without its documents: a holder of `Notes` can read no document's text."""

from __future__ import annotations

from typing import Any

from funnel.workspace.workspace import Workspace


class Notes:
    """The notes of a run, by key."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def put(self, key: str, text: str, *, is_json: bool = False) -> None:
        """Store a text under a key, in place of any earlier one. `is_json`: it stands for a value.

        Raises: `MemoryFailed`.
        """
        await self._workspace.note(key, text, is_json=is_json)

    async def all(self) -> dict[str, str]:
        """Return every note as text, by key. Raises: `MemoryFailed`."""
        return await self._workspace.notes()

    async def values(self) -> dict[str, Any]:
        """Return every note by key, values as such. Raises: `MemoryFailed`."""
        return await self._workspace.noted()
