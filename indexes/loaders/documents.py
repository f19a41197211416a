"""The formats that are not text: which module reads each, and what it needs; reads nothing itself.

To add one: a module with `read(data: bytes) -> Parsed`, which raises `Unreadable` where the file
is at fault, and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import cast

from indexes.loaders.assembly import Parsed

EXTRA = "documents"


@dataclass(frozen=True, slots=True)
class DocumentFormat:
    """A format: what it is called, the module that reads it, and what that one needs, if anything.

    `package` is the name that is imported, `distribution` the one that is installed.
    """

    name: str
    module: str
    package: str = ""
    distribution: str = ""

    @property
    def available(self) -> bool:
        """Whether the package that it needs is installed."""
        return not self.package or find_spec(self.package) is not None

    @property
    def detail(self) -> str:
        """What reads it, with its version. Raises: `PackageNotFoundError` unless `available`."""
        if not self.distribution:
            return "the standard library"
        return f"{self.distribution} {version(self.distribution)}"

    def read(self, data: bytes) -> Parsed:
        """Parse a whole file. Call it in a process that may die: `indexes.loaders.isolation`.

        Raises: `Unreadable`, and for a damaged file whatever its parser makes of it.
        """
        read = cast("Callable[[bytes], Parsed]", import_module(self.module).read)
        return read(data)


READERS: dict[str, DocumentFormat] = {
    ".docx": DocumentFormat("DOCX", "indexes.loaders.docx", "docx", "python-docx"),
    ".eml": DocumentFormat("EML", "indexes.loaders.eml"),
    ".pdf": DocumentFormat("PDF", "indexes.loaders.pdf", "pypdfium2", "pypdfium2"),
    ".pptx": DocumentFormat("PPTX", "indexes.loaders.pptx", "pptx", "python-pptx"),
    ".xlsx": DocumentFormat("XLSX", "indexes.loaders.xlsx", "openpyxl", "openpyxl"),
}
ALIASES = {".pptm": ".pptx", ".xlsm": ".xlsx"}
SUCCESSORS = {".doc": ".docx", ".docm": ".docx", ".ppt": ".pptx", ".xls": ".xlsx", ".xlsb": ".xlsx"}
"""What nothing reads here, mostly formats from before 2007, and what it can be saved as."""


def format_of(suffix: str) -> DocumentFormat | None:
    """The reader of files with this extension."""
    return READERS.get(ALIASES.get(suffix, suffix))
