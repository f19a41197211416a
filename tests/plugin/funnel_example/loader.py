"""`.card`: contact cards of `NAME: value` lines."""

from __future__ import annotations

from indexes.loaders.assembly import Assembly, Parsed, Unreadable


def read(data: bytes) -> Parsed:
    """Parse one card."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    fields = dict(line.partition(":")[::2] for line in lines if ":" in line)
    if "NAME" not in fields:
        raise Unreadable("it has no line NAME:")
    assembly = Assembly()
    for name, value in fields.items():
        assembly.add(f"{name.strip()}: {value.strip()}")
    return assembly.parsed(title=fields["NAME"].strip())
