"""Checks that an Office file is a zip that is safe to unpack; knows zips, not their contents."""

from __future__ import annotations

import io
import zipfile

from indexes.loaders.assembly import Unreadable

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 200
"""Maximum compression ratio. Office's XML reaches 5 to 60; a zip bomb up to 1,000."""

_RATIO_FROM_BYTES = 32 << 20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def check_archive(data: bytes) -> None:
    """Check that the members of a zip stay within limits when unpacked.

    Checks the declared sizes. That is safe, because every reader here unpacks with `zipfile`, which never
    returns more bytes of a member than it declares.

    Raises: `Unreadable` with the reason.
    """
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise Unreadable("it is encrypted; save it without a password")
        raise Unreadable("it is in the format before 2007, with a new extension; open it and save it again")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as exc:
        raise Unreadable(f"it is damaged, or not of the type that its name says ({exc})") from exc
    if len(members) > MAX_MEMBERS:
        raise Unreadable(f"it contains {len(members):,} files, more than the {MAX_MEMBERS:,} allowed")
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED_BYTES:
        raise Unreadable(
            f"it unpacks to {total >> 20:,} MiB, more than the {MAX_UNPACKED_BYTES >> 20:,} allowed"
        )
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable("it is encrypted; save it without a password")
        ratio = member.file_size / max(1, member.compress_size)
        if member.file_size > _RATIO_FROM_BYTES and ratio > MAX_RATIO:
            raise Unreadable(
                f"it looks like a zip bomb: {member.filename!r} unpacks to {member.file_size >> 20:,} MiB, "
                f"{ratio:,.0f} times its size"
            )
