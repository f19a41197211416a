"""Reads the replies of models that were trained on the prompt of the RLM authors; runs nothing.

They end by `FINAL(text)` or `FINAL_VAR(name)`, in their code or as a line of prose, or by setting the `ready`
of a dict `answer` (github.com/alexzhang13/rlm). Each becomes the call of `submit` that it means, so that such
an answer is checked like any other.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from funnel.inspector.fences import blocks

VARIABLES: dict[str, Any] = {"answer": {"content": "", "ready": False}}
"""What these models find in their REPL besides the variables of others."""

_VAR = re.compile(r"\bFINAL_VAR\(\s*([\"']?)([A-Za-z_]\w*)\1\s*\)")
_FINAL = re.compile(r"\bFINAL\(")
_READY = re.compile(r"""\banswer\[(["'])ready\1\][ \t]*=[ \t]*True\b""")
_IN_PROSE = re.compile(r"^[ \t*`]*FINAL(?P<var>_VAR)?\((?P<said>.*)\)[ \t*`.]*\Z", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(r"\bdef FINAL(?:_VAR)?\(")


def translated(reply: str) -> str:
    """Return the reply with what ends the work as a call of `submit`: in its code, or as a last block."""
    parts: list[str] = []
    prose: list[str] = []
    at = 0
    for block in blocks(reply):
        prose.append(reply[at : block.start])
        parts += [prose[-1], _in_code(reply[block.start : block.stop])]
        at = block.stop
    prose.append(reply[at:])
    parts.append(prose[-1])
    whole = "".join(parts)
    if (ended := _IN_PROSE.search("\n".join(prose).rstrip())) is None:
        return whole
    return f"{whole.rstrip()}\n```python\n{_call(ended['said'].strip(), is_name=bool(ended['var']))}\n```"


def _in_code(code: str) -> str:
    if _DEFINED.search(code):
        return code
    code = _FINAL.sub("submit(", _VAR.sub(r"submit(\2)", code))
    return _READY.sub('submit(answer["content"])', code)


def _call(said: str, *, is_name: bool) -> str:
    """Return the call of `submit` for what stands between the parentheses, with or without quotes."""
    name = said.strip("\"'")
    if is_name and _NAME.fullmatch(name):
        return f"submit({name})"
    try:
        value = ast.literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = said
    return f"submit({(value if isinstance(value, str) else said)!r})"
