"""The modules that a cell can import, all loaded before the file system is closed off; starts nothing."""

from __future__ import annotations

import contextlib
import importlib

MODULES = """
__future__ abc argparse array ast asyncio base64 binascii bisect bz2 calendar cmath codecs collections
collections.abc colorsys concurrent.futures configparser contextlib copy csv dataclasses datetime decimal
difflib enum fnmatch fractions functools gc getpass glob graphlib gzip hashlib heapq hmac html
html.entities html.parser inspect io ipaddress itertools json keyword linecache locale logging lzma math
numbers operator os pathlib pickle platform pprint queue random re reprlib secrets shlex shutil signal
sqlite3 statistics string struct subprocess sys tempfile textwrap threading time timeit tokenize traceback
types typing unicodedata urllib.parse uuid warnings weakref xml.dom.minidom xml.etree.ElementTree zlib
"""
_LOADED_LATER = """
_strptime _pydecimal copyreg encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1
encodings.utf_8 encodings.utf_8_sig encodings.utf_16 encodings.utf_16_le encodings.unicode_escape
encodings.raw_unicode_escape encodings.punycode encodings.rot_13 encodings.hex_codec
encodings.base64_codec stringprep xml.etree.cElementTree xml.parsers.expat mmap ctypes resource selectors
socket concurrent.futures.thread asyncio.selector_events asyncio.unix_events
"""
"""Modules that the ones above import only when used, and those that the worker itself needs."""


def preload() -> None:
    """Import all modules. One that this Python was built without stays missing."""
    for name in (MODULES + _LOADED_LATER).split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
