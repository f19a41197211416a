"""Checked by mypy, never run: every backend is a Memory, and stage one's documents go into a workspace."""

from funnel.memory import InMemory, Memory, SqliteMemory, open_memory
from funnel.memory.backends.postgres.memory import PostgresMemory
from funnel.memory.backends.redis.memory import RedisMemory
from funnel.workspace.workspace import GrepResult, Workspace
from indexes.types import DocumentInfo

in_process: Memory = InMemory()
in_file: Memory = SqliteMemory("sqlite:///memory.sqlite")
in_redis: Memory = RedisMemory("redis://localhost:6379/0", retry_s=5, max_connections=4)
in_postgres: Memory = PostgresMemory("postgresql://localhost/funnel", retry_s=5, max_connections=4)
by_url: Memory = open_memory("memory://")


async def use(workspace: Workspace, info: DocumentInfo) -> str:
    """Everything that an inspector asks of a workspace."""
    await workspace.add_document(info, "text")
    await workspace.add_document(info, ["in ", "pieces"])
    found: GrepResult = await workspace.grep("t", [info.id], context=10, limit=5, ignore_case=True)
    notes: dict[str, str] = await workspace.notes()
    spans = [(match.start, match.stop) for match in found.matches]
    return await workspace.read(info.id, *spans[0]) + notes["key"]
