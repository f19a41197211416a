"""Finds the code in a reply, in whatever fence, tag or object a model puts it; runs nothing.

Only what a model wrote as code is code: prose is not run, nor is output that a model made up, nor what it
wrote below such output.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from funnel.inspector.fences import Block, blocks
from funnel.llm.base import MAX_REPLY_CHARS

Kind = Literal["long", "cut", "empty", "echo", "json", "prose"]

MAX_PARSED_CHARS = 50_000
"""Text outside a labelled block is tried as code up to this length."""
MAX_BLOCKS = 40
MAX_TRIES = 12
"""How often the end of a text is cut off to see whether the rest is code."""
PYTHON = frozenset({
    "python", "py", "python3", "py3", "repl", "ipython", "ipython3", "tool_code", "pycon", "execute",
    "interpreter", "code",
})  # fmt: skip
_UNLABELLED = frozenset({"", "text", "txt", "plaintext", "plain", "none", "xml", "tool_call"})
"""Labels of blocks that are read as code only if they can be nothing else."""
_MADE_UP = re.compile(
    r"^\W{0,4}(?:(?:the|this|expected|sample|example|simulated|printed|program|cell|execution|console|your)\s)*"
    r"(?:outputs?|results?|stdout|prints|returns|observation|response)\b[^\n=(]{0,60}:?\W{0,4}$",
    re.IGNORECASE,
)
"""A line that heads output: below it, nothing is code that a model wrote before it saw any."""
_OUTPUT_LABELS = frozenset({"output", "stdout", "result", "results", "console", "observation"})
_TAGGED = re.compile(
    r"<(?P<tag>code|python|execute|execute_python|tool_code|tool_call|function_call|repl|py|script)\b[^<>\n]{0,80}>"
    r"(?P<body>.*?)(?:</(?P=tag)>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_MARKED = re.compile(
    r"<\|python_tag\|>(.*?)(?:<\|\w+\|>|\Z)|\[PYTHON\](.*?)(?:\[/PYTHON\]|\Z)|\[TOOL_CALLS\](.*)", re.DOTALL
)
_STATEMENT = re.compile(
    r"(?:await )?[A-Za-z_]\w*\(|[A-Za-z_][\w, ]*(?:\[[^\]\n]*\])? ?[-+|]?= ?\S|import \w|from \w+ import |#"
    r"|(?:for|if|while|def|with|async|try|class)\b.*:\s*(?:#.*)?$|for \w[\w, ]* in .*:|@\w"
)
_SURELY = re.compile(r"[A-Za-z_]\w* = .*\(|import \w+$|from \w+ import |(?:for|if|while|def|with) .*:$")
_SUBMITTED = re.compile(
    r"submit\(\s*(?P<quote>['\"]{1,3})(?P<text>.+)(?P=quote)\s*(?P<rest>,\s*(?:found|citations)\s*=[^'\"]*)?\)",
    re.DOTALL,
)
_JOINED = re.compile(r"cite\(|['\"]\s*[+%]|[+]\s*f?['\"]|\bsubmit\(|['\"]\s*\)\s*\n")
"""What only stands in an expression, so that the text around it is no text."""
_FINAL = re.compile(r"\bFINAL(?:_ANSWER)?\(\s*(?P<quote>['\"]{0,3})(?P<text>.+)(?P=quote)\s*\)\W*$")
"""How other programs have their models end; what stands around it is no part of the answer."""
_ONLY_WORDS = re.compile(r"[^\W_][^\n=(){}\[\]:#@*/\\|&<>]*[ ][^\n=(){}\[\]:#@*/\\|&<>]*")
_CALL = re.compile(r"(?:await )?(\w+)\(")
_MEMBERS = ("code", "python", "program", "script", "cell", "source", "python_code", "command", "input")
_LITERAL = (
    ast.Expr, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.USub, ast.expr_context,
)  # fmt: skip
_QUOTED = re.compile(r"^>(?!>>)(?: |$)")
_DOCTEST = re.compile(r"^\s*(?:>>>|In \[\d+\]:) ?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a reply. `remark`: what the model is told beside its output; "" if nothing."""

    source: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A reply without code: what was wrong with it. `answer`: what it says in words, if that is short."""

    reason: str
    kind: Kind = "prose"
    answer: str = ""


INVENTED = "What your reply gave as output is none: only the code above it was run, and this is its output."


def parse(reply: str, *, cut: bool = False, tools: Collection[str] = ()) -> Code | Malformed:
    """Return the code of a reply. `cut`: the model ran out of tokens. `tools`: what code may call."""
    if len(reply) > MAX_REPLY_CHARS:
        return Malformed(
            f"Your reply has {len(reply):,} characters; at most {MAX_REPLY_CHARS:,} are read, so nothing "
            "was run. Write one short block, and build long texts in variables.",
            "long",
        )
    if not reply.strip():
        return Malformed("Your reply was empty. Write one ```python block.", "empty")
    found = blocks(reply)
    code = _fenced(found, reply, tools, cut=cut)
    if code is None and not cut:
        code = _tagged(reply, tools) or _in_json(reply, tools) or _bare(reply, tools)
    if code is not None:
        return code if _tree(code.source) is not None else _meant(code)
    return _without_code(reply, found, cut=cut)


def _without_code(reply: str, found: Sequence[Block], *, cut: bool) -> Malformed:
    """Return what is wrong with a reply in which no code was found."""
    if cut:
        return Malformed(
            "Your reply was cut off before its python block ended; nothing was run. Write less code.", "cut"
        )
    if found and not any(block.body.strip() for block in found):
        return Malformed("Your ```python block is empty, so nothing was run. Write code into it.", "empty")
    if (value := _json(reply)) is not None:
        return Malformed(
            "Your reply has no ```python block but JSON, so nothing was run. JSON is not an answer: "
            "write one block, and when you know the answer call submit(...) in it.",
            "json",
            _answer_in(value),
        )
    return Malformed(
        "Your reply has no ```python block, so nothing was run. Prose is not an answer: "
        "write one block, and when you know the answer call submit(...) in it.",
        answer=_words(reply),
    )


def _meant(code: Code) -> Code | Malformed:
    """Return code that does not parse as it was meant, if it is an answer with faulty quotes or none."""
    source = code.source.strip()
    if (submitted := _SUBMITTED.fullmatch(source)) and not _JOINED.search(submitted["text"]):
        return replace(code, source=f"submit({submitted['text']!r}{submitted['rest'] or ''})\n")
    if _ONLY_WORDS.fullmatch(source):
        return Malformed(
            "Your block holds words and no code, so nothing was run. An answer counts when it is submitted.",
            answer=_words(source),
        )
    return code


def _fenced(found: Sequence[Block], reply: str, tools: Collection[str], *, cut: bool) -> Code | None:
    """Return the code of the fenced blocks, in order, up to output that the model made up."""
    labelled = [
        block
        for block in found
        if block.label in PYTHON and block.body.strip() and not _is_literal(block.body)
    ]
    others = [block for block in found if block.label in _UNLABELLED]
    chosen = labelled or [block for block in others if _may_be_code(block.body, tools)]
    if not chosen and len(others) == 1 and _calls(others[0].body, tools):
        chosen = others  # its error tells the model more than that it is no code
    parts: list[str] = []
    after = 0
    remark = ""
    for block in chosen[:MAX_BLOCKS]:
        if parts and _output_between(reply[after : block.start], found, after, block.start):
            remark = INVENTED
            break
        source = _plain(block.body)
        if not block.closed:
            source = _prefix(source, tools) if not cut else ""
        if source.strip():
            parts.append(source)
        after = block.stop
    if not parts:
        return None
    return Code("\n".join(part.rstrip("\n") for part in parts) + "\n", remark)


def _output_between(text: str, found: Sequence[Block], start: int, stop: int) -> bool:
    """Whether the model made up output between two blocks, so that the second rests on it."""
    if any(start <= block.start < stop and block.label in _OUTPUT_LABELS for block in found):
        return True
    return any(_MADE_UP.match(line.strip()) is not None for line in text.split("\n") if 0 < len(line) < 200)  # noqa: PLR2004 - a heading


def _plain(source: str) -> str:
    """Return code without the prompts of a session, or the marks of a quotation, that it was written as."""
    lines = [line for line in source.split("\n") if line.strip()]
    if lines and all(_QUOTED.match(line) for line in lines):
        source = "\n".join(_QUOTED.sub("", line) for line in source.split("\n"))
    first = source.lstrip("\n").partition("\n")[0]
    if _DOCTEST.match(first) is None:
        return source
    bare = []
    for line in source.split("\n"):
        if (prompt := _DOCTEST.match(line)) is not None:
            bare.append(line[prompt.end() :])
        elif line.lstrip().startswith("..."):
            bare.append(line.lstrip()[3:].removeprefix(" "))
    return "\n".join(bare) + "\n"


def _tagged(reply: str, tools: Collection[str]) -> Code | None:
    """Return the code between tags such as <code> or <tool_call>."""
    parts = []
    for match in _TAGGED.finditer(reply):
        inner = _inside(match["body"], tools)
        if inner:
            parts.append(inner)
    if not parts:
        for match in _MARKED.finditer(reply):
            inner = _inside(next(filter(None, match.groups()), ""), tools)
            if inner:
                parts.append(inner)
    return Code("\n".join(part.rstrip("\n") for part in parts) + "\n") if parts else None


def _inside(body: str, tools: Collection[str]) -> str:
    """Return the code between two tags: an object, or code as it stands."""
    if (value := _json(body)) is not None:
        return _code_in(value, tools) or ""
    text = body.strip("\n")
    return text if _is_code(text, tools) else ""


def _in_json(reply: str, tools: Collection[str]) -> Code | None:
    """Return the code in an object such as {"code": ...}, or the call that it describes."""
    value = _json(reply)
    source = None if value is None else _code_in(value, tools)
    return Code(source) if source else None


def _json(text: str) -> Any:
    """Return the object or list that a text is, with or without a fence; None if it is none."""
    found = [block.body for block in blocks(text) if block.label in {"json", "", "tool_call"}]
    whole = (found[0] if len(found) == 1 else text).strip()
    if whole[:1] not in {"{", "["} or len(whole) > MAX_REPLY_CHARS:
        return None
    try:
        return json.loads(whole, strict=False)
    except (ValueError, RecursionError):
        return None


def _code_in(value: Any, tools: Collection[str]) -> str | None:
    """Return the code that an object holds, or a call of a tool that it describes."""
    if isinstance(value, list):
        parts = [part for each in value[:MAX_TRIES] if (part := _code_in(each, tools))]
        return "\n".join(parts) or None
    if not isinstance(value, Mapping):
        return None
    for name in _MEMBERS:
        if isinstance(code := value.get(name), str) and _is_code(code, tools):
            return code
    function = value.get("function")
    called = function if isinstance(function, Mapping) else value
    tool = called.get("name") or called.get("tool")
    given_as = (called[key] for key in ("arguments", "parameters", "args") if key in called)
    stated: Any = next(given_as, {})
    arguments: Any = _json(stated) if isinstance(stated, str) else stated
    if isinstance(tool, str) and tool in tools and isinstance(arguments, Mapping):
        given = ", ".join(f"{key}={item!r}" for key, item in arguments.items() if str(key).isidentifier())
        return f"print({tool}({given}))" if tool != "submit" else f"submit({given})"
    if isinstance(arguments, Mapping) and arguments is not value and tool is not None:
        return _code_in(arguments, tools)
    return None


def _answer_in(value: Any) -> str:
    """Return the answer that an object gives in words."""
    if isinstance(value, Mapping):
        for name in ("answer", "final_answer", "result", "response"):
            if isinstance(value.get(name), (str, int, float)):
                return _words(str(value[name]))
    return ""


def _words(reply: str) -> str:
    """Return a reply that is one short statement in words, as it may be an answer; "" for any other."""
    text = " ".join(reply.split())
    if (final := _FINAL.search(text)) is not None:
        text = final["text"]
    return text if len(text) <= 300 and "```" not in text and "<" not in text else ""  # noqa: PLR2004 - short


def prose(reply: str, tools: Collection[str]) -> str:
    """Return what a reply says in words: the text outside its fences; "" if that begins like code.

    `tools`: the names of what the model's code may call, since a call of one of them is not prose.
    """
    text, at = "", 0
    reply = reply[:MAX_REPLY_CHARS]
    for block in blocks(reply):
        text += reply[at : block.start]
        at = block.stop
    text = (text + reply[at:]).strip()
    line = text.partition("\n")[0].rstrip()
    called = _CALL.match(line)
    is_code = _SURELY.match(line) or (called and called[1] in {"print", *tools})
    return "" if is_code else text


def _bare(reply: str, tools: Collection[str]) -> Code | None:
    """Return the code of a reply that has no fence: from its first line of code on, if that parses."""
    if len(reply) > MAX_PARSED_CHARS:
        return None
    lines = _plain(reply).split("\n")
    begins = (i for i, line in enumerate(_until_output(lines)) if _STATEMENT.match(line) is not None)
    for i in islice(begins, MAX_TRIES):
        if source := _prefix("\n".join(_until_output(lines[i:])), tools):
            return Code(source)
    return None


def _until_output(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if _MADE_UP.match(line.strip()) is not None or line.lstrip().startswith(("```", "~~~")):
            return
        yield line


def _prefix(source: str, tools: Collection[str]) -> str:
    """Return the longest beginning of a text that is code, cut between its lines; "" if none is."""
    lines = source.rstrip().split("\n")
    ends = [len(lines), *(i for i in range(len(lines) - 1, 0, -1) if not lines[i].strip())]
    ends += [i for i in range(len(lines) - 1, 0, -1) if i not in ends][: MAX_TRIES // 2]
    for end in sorted(set(ends[:MAX_TRIES]), reverse=True):
        text = "\n".join(lines[:end])
        if _is_code(text, tools):
            return f"{text.rstrip()}\n"
    return ""


def _is_code(text: str, tools: Collection[str]) -> bool:
    """Whether a text that nothing marks as code can be nothing else: it parses, and calls or imports."""
    tree = _tree(text)
    if tree is None:
        return False
    if any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in tree.body):
        return True
    bound = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    known = {"print", *tools}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in known or (bound and not isinstance(node.func, ast.Constant)):
                return True
    return False


def _may_be_code(text: str, tools: Collection[str]) -> bool:
    """Whether a text in a fence without a label is code: it parses, and is more than a value or a label."""
    tree = _tree(text)
    return tree is not None and (
        _is_code(text, tools) or not all(isinstance(node, (ast.Expr, ast.AnnAssign)) for node in tree.body)
    )


def _calls(text: str, tools: Collection[str]) -> bool:
    """Whether a text that does not parse calls a tool at the beginning of a line."""
    names = "|".join(map(re.escape, sorted({"print", *tools})))
    return re.search(rf"^[ \t]*(?:\w+ = )?(?:{names})\(", text, re.MULTILINE) is not None


def _is_literal(text: str) -> bool:
    """Whether a text is a value and no more, as made-up output is."""
    tree = _tree(text)
    if tree is None or not tree.body:
        return False
    return all(isinstance(node, _LITERAL) for each in tree.body for node in ast.walk(each))


def _tree(text: str) -> ast.Module | None:
    if not text.strip() or len(text) > MAX_PARSED_CHARS:
        return None
    try:
        return ast.parse(text.strip("\n") + "\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
