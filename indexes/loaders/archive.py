"""Whether an Office file is a zip that is safe to unpack; knows zips, not what is in them."""

from __future__ import annotations

import io
import zipfile

from indexes.loaders.assembly import Unreadable

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 200
"""Office's XML packs 5 to 60 to one; a bomb, up to 1,000 to one."""

_RATIO_FROM_BYTES = 32 << 20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def check_archive(data: bytes) -> None:
    """Pass a zip whose members stay within limits when unpacked.

    The sizes are those that it declares: `zipfile`, by which every reader here unpacks, gives no member
    more bytes than it declares.

    Raises: `Unreadable` with the reason.
    """
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise Unreadable("it is encrypted; save it without a password")
        raise Unreadable("it is in the format before 2007 under a new name; open it and save it anew")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as exc:
        raise Unreadable(f"it is damaged, or not of the type that its name says ({exc})") from exc
    if len(members) > MAX_MEMBERS:
        raise Unreadable(f"it packs {len(members):,} files, more than the {MAX_MEMBERS:,} that are unpacked")
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
