"""Registry of the formats that are not text: their readers and required packages; reads no file itself.

To add a format, write a module with `read(data: bytes) -> Parsed`, which raises `Unreadable` if the file is
at fault, and add one line to `READERS`. A separate distribution adds an entry point named by the extension:

    [project.entry-points."indexes.loader"]
    odt = "funnel_odt:read"

A plug-in may replace the text reader of an extension (`.tex`, `.org`), but none of the `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

from indexes.loaders.assembly import Parsed
from indexes.plugins import BuiltIn, Registry

EXTRA = "documents"

Read = Callable[[bytes], Parsed]
"""Parses a whole file. Raises: `Unreadable`; for a damaged file, any exception of its parser."""


@dataclass(frozen=True, slots=True)
class DocumentFormat:
    """A format: its name, its loader (a module in this folder or a plug-in), and any package it needs.

    `package` is the name to import, `distribution` the name to install.
    """

    name: str
    loader: str
    package: str = ""
    distribution: str = ""

    @property
    def available(self) -> bool:
        """Whether the package that the format needs is installed."""
        return not self.package or find_spec(self.package) is not None

    @property
    def detail(self) -> str:
        """The library that reads the format, with its version.

        Raises: `PackageNotFoundError` unless `available`.
        """
        if not self.distribution:
            return "the standard library"
        return f"{self.distribution} {version(self.distribution)}"

    def read(self, data: bytes) -> Parsed:
        """Parse a whole file. Call it only in a process that may crash: see `indexes.loaders.isolation`.

        Raises: `Unreadable`, `PlugInFailed`; for a damaged file, any exception of its parser.
        """
        return LOADERS.get(self.loader)(data)


READERS: dict[str, DocumentFormat] = {
    ".docx": DocumentFormat("DOCX", "docx", "docx", "python-docx"),
    ".eml": DocumentFormat("EML", "eml"),
    ".pdf": DocumentFormat("PDF", "pdf", "pypdfium2", "pypdfium2"),
    ".pptx": DocumentFormat("PPTX", "pptx", "pptx", "python-pptx"),
    ".xlsx": DocumentFormat("XLSX", "xlsx", "openpyxl", "openpyxl"),
}
"""The built-in formats by extension."""

LOADERS: Registry[Read] = Registry(
    "loader",
    group="indexes.loader",
    built_in={
        f.loader: BuiltIn(f"indexes.loaders.{f.loader}:read", EXTRA if f.package else "")
        for f in READERS.values()
    },
)
"""Maps an extension without its dot to the function that reads such files."""

ALIASES = {".pptm": ".pptx", ".xlsm": ".xlsx"}
SUCCESSORS = {".doc": ".docx", ".docm": ".docx", ".ppt": ".pptx", ".xls": ".xlsx", ".xlsb": ".xlsx"}
"""Extensions that cannot be read, mostly of formats from before 2007, and the extension to save them as."""


def format_of(suffix: str) -> DocumentFormat | None:
    """Return the format of files with this extension; None if it is text or unknown."""
    return READERS.get(ALIASES.get(suffix, suffix)) or plugged_in().get(suffix)


@cache
def plugged_in() -> Mapping[str, DocumentFormat]:
    """Return the formats of installed plug-ins by extension; looked up once per process."""
    return {
        f".{name}": DocumentFormat(name.upper(), name, distribution=point.dist.name if point.dist else "")
        for name, point in LOADERS.plug_ins().items()
    }
