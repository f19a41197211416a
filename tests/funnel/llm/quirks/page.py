"""Writes docs/endpoints.md from the tables: `python tests/funnel/llm/quirks/page.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "endpoints.md"
sys.path += [str(ROOT / "tests"), str(Path(__file__).resolve().parents[1])]

from quirks import bodies, errors_inside, failures, parameters, refusals, slow, streams, thoughts  # noqa: E402 - only now they are found
from quirks.connections import CONNECTIONS  # noqa: E402


class Row(Protocol):
    name: str
    who: str

    @property
    def seen(self) -> str: ...


SECTIONS: Sequence[tuple[str, Sequence[Row]]] = (
    ("Tokens", bodies.USAGES),
    ("The end of a reply", bodies.ENDS),
    ("Messages", bodies.MESSAGES),
    ("Bodies", bodies.ENVELOPES),
    ("Tokens in a stream", streams.COUNTS),
    ("Events", streams.FRAMES),
    ("Pieces of a stream", streams.PIECES),
    ("The end of a stream", streams.ENDINGS),
    ("Thoughts", thoughts.THOUGHTS),
    ("Refusals", refusals.FOR_GOOD),
    ("Prompts that are too long", refusals.TOO_LONG),
    ("Failures that pass", failures.FOR_NOW),
    ("Errors in a body of 200", errors_inside.IN_A_BODY),
    ("Errors in a stream", errors_inside.IN_A_STREAM),
    ("Parameters", parameters.PARAMETERS),
    ("Silence", slow.SILENT),
    ("Replies without end", slow.WITHOUT_END),
    ("Rates", slow.RATES),
    ("Connections", CONNECTIONS),
)
INTRODUCTION = """\
# What endpoints do, and what you see of it

The API of chat completions is spoken in many ways. Below are {n} of them, and what funnel makes of each.
Each row is a test against a real server on loopback (`tests/funnel/llm/quirks/`), from which this page is
written. “The answer” is the text of the reply, with the tokens that the endpoint states. The names are
examples; others do the same.
"""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION.format(n=sum(len(rows) for _, rows in SECTIONS))]
    for title, rows in SECTIONS:
        lines = [f"| {_cell(row.name)} | {_cell(row.who)} | {_cell(row.seen)} |" for row in rows]
        parts.append(
            "\n".join(
                [
                    f"## {title}",
                    "",
                    "| the endpoint | for example | what you see |",
                    "|---|---|---|",
                    *lines,
                    "",
                ]
            )
        )
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
