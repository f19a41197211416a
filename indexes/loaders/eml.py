"""EML to text, by the standard library; knows headers, bodies and attachments, no files.

The headers stand in the first lines and in the metadata. Of a text that comes both plain and as HTML the
plain one is taken. Attachments of a type that is read here are further sections, headed by their names;
every attachment is listed by name at the end, with the reason where it was not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import PurePath

from indexes.loaders import source as kinds
from indexes.loaders.assembly import Assembly, Parsed
from indexes.loaders.decoding import encoding_of
from indexes.loaders.documents import EXTRA, reader_of
from indexes.loaders.html import read_html
from indexes.loaders.texts import parse_text

_ADDRESSES = ("from", "to", "cc")
_MAX_DEPTH = 8
_MAX_PARTS = 1000
_HEADER = re.compile(
    rb"^(?:from|to|subject|date|received|message-id|mime-version)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_HEAD_BYTES = 65_536


def read(data: bytes) -> Parsed:
    """The mail with what is attached. Raises: `ValueError` with the reason."""
    if not _HEADER.search(data[:_HEAD_BYTES]):
        raise ValueError("it is damaged, or no mail: it has none of a mail's headers")
    mail = message_from_bytes(data)
    subject = _header(mail, "subject")
    assembly = Assembly()
    reading = _Reading(assembly)
    reading.message(mail, subject, 0)
    if reading.attachments:
        assembly.add("\n".join(["Attachments:", *reading.attachments]), title=subject)
    metadata = {name: _people(mail, name) for name in _ADDRESSES}
    return assembly.parsed(
        title=subject,
        metadata={
            **metadata,
            "date": _date(mail),
            "message_id": _header(mail, "message-id"),
            "subject": subject,
        },
    )


@dataclass(slots=True)
class _Reading:
    assembly: Assembly
    attachments: list[str] = field(default_factory=list)
    n_parts: int = 0

    def message(self, mail: Message, title: str, depth: int) -> None:
        lines = [
            f"{name.capitalize()}: {said}" for name in _ADDRESSES if (said := ", ".join(_people(mail, name)))
        ]
        if date := _header(mail, "date"):
            lines.append(f"Date: {date}")
        if subject := _header(mail, "subject"):
            lines.append(f"Subject: {subject}")
        self.assembly.add("\n".join(lines), title=title)
        self.part(mail, title, depth)

    def part(self, part: Message, title: str, depth: int) -> None:
        self.n_parts += 1
        if depth > _MAX_DEPTH or self.n_parts > _MAX_PARTS:
            raise ValueError(f"it nests more than {_MAX_DEPTH} deep, or has more than {_MAX_PARTS:,} parts")
        kind = part.get_content_type()
        if kind == "message/rfc822":
            for inner in _children(part):
                subject = _header(inner, "subject")
                self.attachments.append(f"- {subject or 'a message'}")
                self.message(inner, subject or title, depth + 1)
        elif kind == "multipart/alternative":
            if best := _best(part):
                self.part(best, title, depth + 1)
        elif part.is_multipart():
            for inner in _children(part):
                self.part(inner, title, depth + 1)
        elif kind in {"text/plain", "text/html"} and not _name(part):
            self.assembly.add(_body(part), title=title)
        elif name := _name(part):
            self.attachments.append(f"- {name}{self._attached(part, name)}")

    def _attached(self, part: Message, name: str) -> str:
        """Append what an attachment says; what there is to say of one that cannot be read, else nothing."""
        try:
            parsed = _parse(PurePath(name.lower()).suffix, part)
        except (MemoryError, RecursionError):
            raise
        except Exception as exc:  # noqa: BLE001  (a damaged attachment may fail anywhere in its parser)
            return f" (not read: {' '.join(str(exc).split()) or type(exc).__name__})"
        if parsed is not None:
            self.assembly.add_parsed(parsed, title=name)
        return "" if parsed is not None else " (not read: of another type)"


def _parse(suffix: str, part: Message) -> Parsed | None:
    """What an attachment with this extension says; None for a type that is not read."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return None
    reader = reader_of(suffix)
    # A mail in a file of a mail would nest without end; forwarded mails are message/rfc822.
    if reader is not None and suffix != ".eml":
        if not reader.available:
            raise ValueError(f"it needs the extra {EXTRA!r}")
        return reader.read(data)
    if suffix in kinds.TEXT:
        return parse_text(suffix, data.decode(encoding_of(data[:4])))
    return None


def _children(part: Message) -> Iterator[Message]:
    inner = part.get_payload()
    if isinstance(inner, list):
        yield from (child for child in inner if isinstance(child, Message))


def _best(part: Message) -> Message | None:
    """The plain text if it says anything, else the richest that is left."""
    choices = list(_children(part))
    plain = (c for c in choices if c.get_content_type() == "text/plain" and _body(c).strip())
    return next(plain, choices[-1] if choices else None)


def _body(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        text = data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # no such encoding
        text = data.decode("utf-8", "replace")
    return read_html(text)[0] if part.get_content_type() == "text/html" else text


def _name(part: Message) -> str:
    """The file name of an attachment; empty for a text that is to be shown."""
    name = " ".join(_decoded(part.get_filename() or "").split())
    if not name and part.get_content_disposition() == "attachment":
        return f"unnamed ({part.get_content_type()})"
    return PurePath(name.replace("\\", "/")).name


def _header(mail: Message, name: str) -> str:
    return " ".join(_decoded(mail.get(name, "")).split())


def _decoded(value: object) -> str:
    try:
        return str(make_header(decode_header(str(value))))
    except (LookupError, ValueError, MessageError):  # an unknown encoding, or none of any sort
        return str(value)


def _people(mail: Message, name: str) -> list[str]:
    addresses = getaddresses([str(value) for value in mail.get_all(name, [])])
    people = ((_decoded(person).strip(), address) for person, address in addresses if person or address)
    return [
        f"{person} <{address}>" if person and address else person or address for person, address in people
    ]


def _date(mail: Message) -> str:
    """In UTC and ISO 8601, so that strings sort as times do; as it stands where it is no date."""
    stated = _header(mail, "date")
    try:
        date = parsedate_to_datetime(stated)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return stated
