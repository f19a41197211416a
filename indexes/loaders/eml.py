"""Parses EML with the standard library; knows headers, bodies and attachments, no files.

The headers are in the first lines and in the metadata. If a text is both plain and HTML, the plain one is
used. Attachments of a readable type become further sections, titled with their names. All attachments are
listed by name at the end, with the reason if one was not read.
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

from indexes.loaders import discovery as kinds
from indexes.loaders.assembly import Assembly, Parsed, Unreadable, clean
from indexes.loaders.decoding import encoding_of
from indexes.loaders.documents import EXTRA, format_of
from indexes.loaders.html import read_html
from indexes.loaders.texts import parse_text
from indexes.types import Metadata

_ADDRESSES = ("from", "to", "cc")
_MAIL = "message/rfc822"
_MAX_DEPTH = 8
_MAX_PARTS = 1000
_HEADER = re.compile(
    rb"^(?:from|to|subject|date|received|message-id|mime-version)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_HEAD_BYTES = 65_536


def read(data: bytes) -> Parsed:
    """Parse an email with its attachments. Raises: `Unreadable` with the reason."""
    if not _HEADER.search(data[:_HEAD_BYTES]):
        raise Unreadable("it is damaged, or not an email: it has none of an email's headers")
    mail = message_from_bytes(data)
    subject = _header(mail, "subject")
    reader = _MailReader()
    reader.add_message(mail, title=subject, depth=0)
    if reader.listed:
        reader.assembly.add("\n".join(["Attachments:", *reader.listed]), title=subject)
    stated = {name: _header(mail, name) for name in ("subject", "message-id")}
    people = {name: _people(mail, name) for name in _ADDRESSES}
    metadata: Metadata = {**stated, **people, "date": _date(mail), "attachments": reader.names}
    return reader.assembly.parsed(title=subject, metadata=metadata)


@dataclass(slots=True)
class _MailReader:
    assembly: Assembly = field(default_factory=Assembly)
    names: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    def add_message(self, mail: Message, *, title: str, depth: int) -> None:
        """Append headers and text as one section, then the attachments."""
        texts = ["\n".join(_shown_headers(mail))]
        attachments: list[tuple[str, Message]] = []
        for part in _leaves(mail):
            if name := _name(part):
                attachments.append((name, part))
            else:
                texts.append(_body(part))
        self.assembly.add("\n\n".join(text for text in texts if text), title=title)
        for name, part in attachments:
            self.names.append(name)
            place = len(self.listed)
            self.listed.append(f"- {name}")
            if reason := self._add_attachment(name, part, depth + 1):
                self.listed[place] += f" (not read: {reason})"

    def _add_attachment(self, name: str, part: Message, depth: int) -> str:
        """Append the text of an attachment. Returns: the reason if it could not be read, or else ""."""
        if inner := _attached_mails(name, part):
            if depth > _MAX_DEPTH:
                return f"more than {_MAX_DEPTH} mails deep"
            for mail in inner:
                self.add_message(mail, title=name, depth=depth)
            return ""
        try:
            parsed = _parse(PurePath(name.lower()).suffix, part)
        except (MemoryError, RecursionError):
            raise
        except Exception as exc:  # noqa: BLE001  (a damaged attachment may fail anywhere in its parser)
            return " ".join(str(exc).split()) or type(exc).__name__
        if parsed is None:
            return "files of its type are not"
        self.assembly.add_parsed(parsed, title=name)
        return ""


def _leaves(mail: Message) -> Iterator[Message]:
    """Yield the parts that are not containers, in order; of alternatives only the preferred one."""
    pending = [mail]
    n_parts = 0
    while pending:
        part = pending.pop()
        n_parts += 1
        if n_parts > _MAX_PARTS:
            raise Unreadable(f"it has more than {_MAX_PARTS:,} parts")
        kind = part.get_content_type()
        if kind == "multipart/alternative":
            pending.extend(_preferred(part))
        elif kind == _MAIL or not part.is_multipart():
            yield part
        else:
            pending.extend(reversed(list(_children(part))))


def _attached_mails(name: str, part: Message) -> list[Message]:
    """Return the emails in an attachment, forwarded or as an .eml file; empty for any other attachment."""
    if part.get_content_type() == _MAIL:
        return list(_children(part))
    data = part.get_payload(decode=True) if name.lower().endswith(".eml") else None
    return [message_from_bytes(data)] if isinstance(data, bytes) else []


def _parse(suffix: str, part: Message) -> Parsed | None:
    """Parse an attachment with this extension; return None if its type is not supported."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return None
    reader = format_of(suffix)
    if reader is not None:
        if not reader.available:
            raise Unreadable(f"it needs the extra {EXTRA!r}")
        return reader.read(data)
    if suffix in kinds.TEXT:
        return parse_text(suffix, data.decode(encoding_of(data[:4])))
    return None


def _children(part: Message) -> Iterator[Message]:
    inner = part.get_payload()
    if isinstance(inner, list):
        yield from (child for child in inner if isinstance(child, Message))


def _preferred(part: Message) -> list[Message]:
    """Return the plain-text alternative if it has any text, else the last one, which is the richest."""
    choices = list(_children(part))
    plain = [c for c in choices if c.get_content_type() == "text/plain" and _body(c).strip()]
    return plain[:1] or choices[-1:]


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
    """Return the name of an attachment; "" if the part belongs to the email's own text."""
    name = " ".join(clean(_decoded(part.get_filename() or "")).split())
    if name:
        return PurePath(name.replace("\\", "/")).name or name
    kind = part.get_content_type()
    if kind == _MAIL:
        return next(
            (subject for inner in _children(part) if (subject := _header(inner, "subject"))), "a mail"
        )
    is_shown = kind in {"text/plain", "text/html"} and part.get_content_disposition() != "attachment"
    return "" if is_shown else f"unnamed ({kind})"


def _shown_headers(mail: Message) -> Iterator[str]:
    for name in _ADDRESSES:
        if people := _people(mail, name):
            yield f"{name.capitalize()}: {', '.join(people)}"
    for name in ("date", "subject"):
        if value := _header(mail, name):
            yield f"{name.capitalize()}: {value}"


def _header(mail: Message, name: str) -> str:
    return " ".join(clean(_decoded(mail.get(name, ""))).split())


def _decoded(value: object) -> str:
    try:
        return str(make_header(decode_header(str(value))))
    except (LookupError, ValueError, MessageError):  # an unknown or malformed encoding
        return str(value)


def _people(mail: Message, name: str) -> list[str]:
    addresses = getaddresses([str(value) for value in mail.get_all(name, [])])
    people = (
        (clean(_decoded(person)).strip(), clean(address))
        for person, address in addresses
        if person or address
    )
    return [
        f"{person} <{address}>" if person and address else person or address for person, address in people
    ]


def _date(mail: Message) -> str:
    """Return the date in UTC and ISO 8601, so that strings sort as times; unchanged if it is not a date."""
    stated = _header(mail, "date")
    try:
        date = parsedate_to_datetime(stated)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return stated
