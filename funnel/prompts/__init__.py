"""Prompt texts, one file each, and the fences around foreign text in them; knows no model."""

from __future__ import annotations

import hashlib
import re
import tomllib
from functools import cache
from importlib.resources import files
from itertools import count
from string import Template

_KEY_LETTERS = "bcdfghjkmp"
"""Letters, since models take a number in the tags of a passage for its number; without vowels, no words."""
_AS_LETTERS = str.maketrans("0123456789", _KEY_LETTERS)
_KEY_CHARS, _LONGEST_KEY = 3, 60
_OPENING = re.compile(
    rf"<(?P<kind>[a-z]+) (?P<key>[{_KEY_LETTERS}]{{{_KEY_CHARS},{_LONGEST_KEY}}})(?P<attributes>[^>\n]*)>\n"
)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def render(name: str, **values: object) -> str:
    """Return the prompt file `name`.md with its $placeholders filled.

    Raises: `KeyError` if a placeholder has no value, so that no incomplete prompt is sent.
    """
    return _template(name).substitute({key: str(value) for key, value in values.items()})


@cache
def _template(name: str) -> Template:
    return Template(files("funnel.prompts").joinpath(f"{name}.md").read_text("utf-8").strip())


@cache
def _advice() -> dict[str, str]:
    return tomllib.loads(files("funnel.prompts").joinpath("shapes.toml").read_text("utf-8"))


def advice(shape: str) -> str:
    """Return the advice for questions of a shape. Raises: `KeyError` if the shape has none."""
    return _advice()[shape]


def fence(kind: str, text: str, **attributes: object) -> str:
    """Enclose `text` in tags that it cannot close.

    The tags have a key, a hash of the text, chosen so that the text does not contain the closing tag. The
    same text gives the same tags, so that equal prompts hit the cache.
    """
    # A text could be made to contain its own short key; then a longer one is used.
    keys = (_key(text, attempt) for attempt in count())
    key = next(key for key in keys if f"</{kind} {key}>" not in text)
    listed = "".join(f' {name}="{_plain(str(value))}"' for name, value in attributes.items())
    return f"<{kind} {key}{listed}>\n{text}\n</{kind} {key}>"


def _key(text: str, attempt: int) -> str:
    # Short, because each turn repeats the tags of all earlier turns.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass") + b"." * attempt).digest()
    digits = f"{int.from_bytes(digest):0{_LONGEST_KEY}d}"[-_KEY_CHARS * (1 + attempt) :]
    return digits.translate(_AS_LETTERS)


def fenced(kind: str, prompt: str) -> list[tuple[dict[str, str], str]]:
    """Return (attributes, text) of every fence of a kind in a prompt, in order: the inverse of `fence`."""
    found = []
    at = 0
    while opening := _OPENING.search(prompt, at):
        at = opening.end()
        closing = f"\n</{opening['kind']} {opening['key']}>"
        stop = prompt.find(closing, at - 1)
        if stop < 0:
            continue
        if opening["kind"] == kind:
            found.append((dict(_ATTRIBUTE.findall(opening["attributes"])), prompt[at:stop]))
        at = stop + len(closing)
    return found


def _plain(value: str) -> str:
    """Return an attribute's value on one line, without the characters that would end it."""
    return " ".join(value.split()).translate(str.maketrans('"<>', "'()"))[:200]
