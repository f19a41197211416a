"""Checked by mypy, never run: every backend is a Memory, and stage one's documents go into a workspace."""

from funnel.memory import InMemory, Memory, SqliteMemory, open_memory
from funnel.memory.workspace import GrepResult, Workspace
from indexes.types import DocumentInfo

in_process: Memory = InMemory()
in_file: Memory = SqliteMemory("sqlite:///memory.sqlite")
by_url: Memory = open_memory("memory://")


async def use(workspace: Workspace, info: DocumentInfo) -> str:
    """Everything that an inspector asks of a workspace."""
    await workspace.add_document(info, "text")
    await workspace.add_document(info, ["in ", "pieces"])
    found: GrepResult = await workspace.grep("t", [info.id], context=10, limit=5, ignore_case=True)
    notes: dict[str, str] = await workspace.notes()
    spans = [(match.start, match.stop) for match in found.matches]
    return await workspace.read(info.id, *spans[0]) + notes["key"]
