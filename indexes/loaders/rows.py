"""Turns table rows into self-contained lines, "name: Ada; born: 1815"; knows tables, no file format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from indexes.loaders.assembly import Assembly

_BLOCK_CHARS = 1500
"""Target length of a section of rows; a passage's line number is exact to within one section."""


def add_rows(assembly: Assembly, rows: Iterable[tuple[int, Sequence[str]]], *, title: str = "") -> None:
    """Append numbered rows in sections whose `line` is the number of their first row.

    If the first row is a header (`is_header`), it names the cells of the other rows; otherwise cells are
    separated by tabs. White space in a cell is collapsed, and empty rows are skipped.
    """
    header: tuple[str, ...] | None = None
    block: list[str] = []
    n_chars = first = 0
    is_first = True
    gap = "\n\n"
    for number, row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if is_first and is_header(cells):
            header = tuple(cells)
        text = "\t".join(cells).rstrip() if header is None or is_first else _named(header, cells)
        is_first = False
        if block and n_chars + len(text) > _BLOCK_CHARS:
            assembly.add("\n".join(block), title=title, line=first, gap=gap)
            block, n_chars, gap = [], 0, "\n"
        if not block:
            first = number
        block.append(text)
        n_chars += len(text) + 1
    assembly.add("\n".join(block), title=title, line=first, gap=gap)


def is_header(cells: Sequence[str]) -> bool:
    """Return whether a row is a header: two or more cells, all different, none empty or a number."""
    return len(cells) > 1 and len(set(cells)) == len(cells) and all(map(_is_name, cells))


def _is_name(cell: str) -> bool:
    return any(character.isalpha() for character in cell) and not cell[:1].isdigit()


def _named(header: Sequence[str], cells: Sequence[str]) -> str:
    names = (*header, *[""] * (len(cells) - len(header)))
    # A row may be wider than the header; cells without a name are kept too.
    pairs = zip(names, cells, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
