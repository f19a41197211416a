r"""Makes a space in a regular expression match any white space, such as line breaks and no-break spaces.

Before, a sixth to a quarter of the phrases in the text of PDFs was missed, where lines break anywhere. To
match one blank and nothing else, a pattern says `\x20`. Beside `^` and `$`, which match at each line, white
space stays on the line: as much of it as is written, since there it means how far a line is indented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from funnel.workspace.patterns.tokens import Kind, Token, first_item, items_of

_WHITE = r"(?u:\s++|\s)"
r"""All white space that follows, or one character of it, so that `a \nb` still matches. Each place has two
choices at most, so a repeat around it does not become exponential, as it would around `\s+`."""
_WHITE_ON_LINE = r"(?u:[^\S\r\n])"
_UNICODE_WHITE = r"\s\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WIDTHS = range(1, 9)
"""How much white space one space in a look-behind matches, whose width is fixed."""


@dataclass(slots=True)
class _Group:
    """An open group: where it begins in what is written, and its spaces, if it is a look-behind."""

    opening: str
    start: int
    spaces: list[int] = field(default_factory=list)
    simple: bool = True
    """Whether it has neither groups nor alternatives inside."""

    @property
    def looks_behind(self) -> bool:
        return self.opening in {"(?<=", "(?<!"}


def spaced(tokens: Sequence[Token], *, ascii_only: bool) -> str:
    """Return the pattern with white space for its spaces."""
    written: list[str] = []
    groups: list[_Group] = []
    behinds: list[_Group] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.SPACE:
            if behinds:
                behinds[-1].spaces.append(len(written))
                written.append(r"\s")
                at += 1
            else:
                text, at = _white_space(tokens, at)
                written.append(text)
            continue
        at += 1
        if token.kind is Kind.OPEN:
            if groups:
                groups[-1].simple = False
            groups.append(_Group(token.text, len(written)))
            behinds += [groups[-1]] if groups[-1].looks_behind else []
        elif token.kind is Kind.OR and groups:
            groups[-1].simple = False
        written.append(_white_set(token.text, ascii_only) if token.text.startswith("[") else token.text)
        if token.kind is Kind.CLOSE and groups and (group := groups.pop()).looks_behind:
            behinds.pop()
            if len(group.spaces) == 1 and group.simple:
                written[group.start :] = [_behind(group, written[group.start :])]
    return "".join(written)


def _white_space(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """Return what the spaces from `at` on become, with the quantifier of the last, and where they end."""
    n = 1
    while at + n < len(tokens) and tokens[at + n].kind is Kind.SPACE:
        n += 1
    end = at + n
    # In a verbose pattern, a quantifier may come after white space that means nothing.
    after = end
    while after < len(tokens) and tokens[after].kind is Kind.IGNORED:
        after += 1
    quantifier = tokens[after].text if after < len(tokens) and tokens[after].kind is Kind.QUANTIFIER else ""
    if quantifier:
        end = after + 1
    if _is(tokens, at, "^", step=-1) or _is(tokens, end - 1, "$", step=1):
        return _WHITE_ON_LINE * n + quantifier, end
    if not quantifier:
        return (_WHITE if n == 1 else rf"(?u:\s++|\s{{{n}}})"), end
    first = _WHITE if n == 2 else rf"(?u:\s++|\s{{{n - 1}}})" if n > 1 else ""  # noqa: PLR2004 - one is left
    many = rf"(?u:\s{quantifier})" if quantifier[0] in "*+{" else f"{_WHITE}{quantifier}"
    # The spaces before it take all white space there is, so what has the quantifier may find none.
    return (rf"(?:{first}{many}|(?u:\s++))" if first else many), end


def _is(tokens: Sequence[Token], at: int, char: str, *, step: int) -> bool:
    """Return whether the next token in a direction that means something is this special character."""
    at += step
    while 0 <= at < len(tokens) and tokens[at].kind is Kind.IGNORED:
        at += step
    return 0 <= at < len(tokens) and tokens[at].text == char


def _white_set(text: str, ascii_only: bool) -> str:  # noqa: FBT001 - of the pattern that this is a part of
    r"""Return a set of characters in which a space, unless it bounds a range, is `\s`."""
    begin = first_item(text, 0)
    items, stop = items_of(text, begin)
    parts: list[str] = []
    at = 0
    while at < len(items):
        if at + 2 < len(items) and items[at + 1] == "-":
            parts += items[at : at + 3]
            at += 3
            continue
        white = _UNICODE_WHITE if ascii_only else r"\s"
        parts.append(white if items[at] in {" ", "\\ "} else items[at])
        at += 1
    return text[:begin] + "".join(parts) + text[stop:]


def _behind(group: _Group, written: Sequence[str]) -> str:
    """Return a look-behind for each width of its one space, since `re` takes only those of one width."""
    (place,) = group.spaces
    before, after = "".join(written[: place - group.start]), "".join(written[place - group.start + 1 :])
    if after[:1] in {"*", "+", "?", "{"}:
        return before + written[place - group.start] + after
    each = [rf"{before}\s{{{width}}}{after}" for width in _WIDTHS]
    return f"(?:{('|' if group.opening == '(?<=' else '').join(each)})"
