"""Maps an array of an .npz file into memory; knows the format, not the meaning of the numbers."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 20
_HEADER = struct.Struct("<26xHH")
"""Local header of a ZIP member: skips to the lengths of its name and of its extra field."""


def memory_mapped(path: Path, name: str) -> NDArray[Any]:
    """Map the array `name` of an archive written by `numpy.savez`, read-only, after verifying its checksum.

    An array that cannot be mapped, because it is not aligned in the file, is read into memory.

    Raises: as `numpy.load` without pickles.
    """
    member = f"{name}.npy"
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        with archive.open(member) as file:
            if npy.read_magic(file) != (1, 0):
                raise ValueError(f"{member} has another version of the format")
            shape, columns_first, dtype = npy.read_array_header_1_0(file)
            start = file.tell()
            while file.read(_BLOCK_BYTES):
                pass  # read to the end, where the checksum is verified
    with path.open("rb") as file:
        file.seek(info.header_offset)
        start += info.header_offset + _HEADER.size + sum(_HEADER.unpack(file.read(_HEADER.size)))
    if info.compress_type != zipfile.ZIP_STORED or dtype.hasobject or start % dtype.alignment:
        with np.load(path, allow_pickle=False) as found:
            array: NDArray[Any] = found[name]
            return array
    return np.asarray(np.memmap(path, dtype, "r", start, shape, "F" if columns_first else "C"))
