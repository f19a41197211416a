"""Registry of the formats that are not text: the module that reads each, and its needs; reads nothing.

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
    """A format: its name, the module that reads it, and the package that this module needs, if any.

    `package` is the name to import, `distribution` the name to install.
    """

    name: str
    module: str
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
        """Parse a whole file. Call it only in a process that may die: `indexes.loaders.isolation`.

        Raises: `Unreadable`; for a damaged file, any exception of its parser.
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
"""Extensions that cannot be read, mostly of formats from before 2007, and what to save them as."""


def format_of(suffix: str) -> DocumentFormat | None:
    """Return the format of files with this extension; None if it is text or unknown."""
    return READERS.get(ALIASES.get(suffix, suffix))
