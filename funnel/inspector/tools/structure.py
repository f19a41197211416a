"""The tools with which the model's code learns what documents are made of; asks no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from funnel.inspector.opening import TITLE_CHARS
from funnel.inspector.shared import Shared
from funnel.inspector.tools.arguments import require_text
from funnel.inspector.tools.bounds import DOCUMENT, DOCUMENTS
from funnel.inspector.tools.declaration import Exposes, always, tool
from funnel.inspector.tools.documents import DocumentTools
from funnel.workspace.structure import Structure, Use, Uses

MAX_PARTS = 2_000
MAX_USES = 500
MAX_NAME_CHARS = 80


@dataclass
class StructureTools:
    """The tools of one inspector. `remarks`: remarks to the model besides the results."""

    shared: Shared
    documents: DocumentTools
    remarks: list[str] = field(default_factory=list)

    @property
    def _structure(self) -> Structure:
        return Structure(self.shared.run.documents)

    @tool(
        prompt="- `outline(doc, loops=False)` -> dicts kind, name, level, start, stop, line: sections of a "
        "text; classes and functions (and loops) of source code.",
        exposes=Exposes.RECORDED,
        bounds=DOCUMENT,
    )
    async def outline(self, doc: Any, loops: Any = False) -> list[dict[str, Any]]:  # noqa: FBT002 - by place or by name
        """Return the parts of a document with their spans."""
        name = await self.shared.run.documents.find(doc)
        parts = await self._structure.outline(name, loops=bool(loops))
        if not parts:
            n_chars = self.shared.run.documents.info(name).n_chars
            self.remarks.append(
                f"{name} has nothing that looks like a heading or a definition; it is one piece of "
                f"{n_chars:,} characters: grep() it, or read() it in parts."
            )
        if len(parts) > MAX_PARTS:
            self.remarks.append(
                f"outline() returned the first {MAX_PARTS:,} of {len(parts):,} parts of {name}; "
                f"the rest begins at {parts[MAX_PARTS].start}."
            )
        return [
            {
                "id": name, "kind": part.kind, "name": part.name, "level": part.level,
                "start": part.start, "stop": part.stop, "line": part.line,
            }
            for part in parts[:MAX_PARTS]
        ]  # fmt: skip

    @tool(
        prompt="- `definitions(name)` -> dicts id, kind, name, start, stop, line in all source code;",
        replayed=always,
        exposes=Exposes.RECORDED,
        bounds=DOCUMENTS,
    )
    async def definitions(self, name: str, docs: Any = "all") -> list[dict[str, Any]]:
        """Return where a class, a function or another named part is defined, with its whole span."""
        require_text(name=name)
        ids = await self.documents.scope(docs)
        return self._told(name, "definition", await self._structure.definitions(name, ids))

    @tool(
        prompt="`references(name)`: its uses, `name` is the function around.",
        replayed=always,
        exposes=Exposes.RECORDED,
        bounds=DOCUMENTS,
    )
    async def references(self, name: str, docs: Any = "all") -> list[dict[str, Any]]:
        """Return where a name is called, imported or used, with the function in which that happens."""
        require_text(name=name)
        ids = await self.documents.scope(docs)
        return self._told(name, "reference", await self._structure.references(name, ids))

    def _told(self, name: str, what: str, uses: Uses) -> list[dict[str, Any]]:
        """Return the uses as the model's code gets them, and remark on what is missing."""
        shown = name[:MAX_NAME_CHARS]
        if not uses.n_files:
            self.remarks.append(f"no source code is among the documents; find {shown!r} with grep().")
        elif not uses.found:
            self.remarks.append(
                f"no {what} of {shown!r} in {uses.n_files:,} files of source code; it may be written "
                f"otherwise, or come from a library: grep({shown!r}, docs='all')."
            )
        if len(uses.found) > MAX_USES:
            self.remarks.append(
                f"the first {MAX_USES} of {len(uses.found):,} {what}s of {shown!r} were returned; "
                "pass docs=[...] to see the rest."
            )
        if uses.unread:
            more = len(uses.unread) - 3
            named = "; ".join(uses.unread[:3]) + (f"; and {more} more" if more > 0 else "")
            self.remarks.append(f"not everything was parsed for {shown!r}: {named}.")
        return _shown(self.shared, uses.found[:MAX_USES])


def _shown(shared: Shared, found: Sequence[Use]) -> list[dict[str, Any]]:
    documents = shared.run.documents
    return [
        {
            "id": use.document_id,
            "doc": use.document_id,
            "title": documents.info(use.document_id).title[:TITLE_CHARS],
            "kind": use.kind,
            "name": use.name,
            "start": use.start,
            "stop": use.stop,
            "line": use.line,
        }
        for use in found
    ]
