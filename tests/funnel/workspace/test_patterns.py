"""A space in a pattern matches any white space, and what a pattern needs is in every text that it matches."""

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.workspace.patterns import understood
from funnel.workspace.patterns.literals import Needed


def spans(pattern, text, flags=0):
    return [match.span() for match in re.finditer(understood(pattern, ignore_case=False).spaced, text, flags)]


def test_what_was_written_without_a_space_stays_as_it_was():
    for pattern in [
        r"a\x20b",
        r"\s+",
        r"[\t]",
        "(?x) a b  # c d",
        "a{2}",
        r"\N{SPACE}",
        "(?#a b)c",
    ]:
        assert understood(pattern, ignore_case=False).spaced == pattern


@pytest.mark.parametrize(
    "text", ["a b", "a\nb", "a\r\nb", "a  \n\t b", "a\u00a0b", "a\u2003\u202fb", "a\u3000b", "a\x85b"]
)
@pytest.mark.parametrize(
    "pattern",
    [
        "a b", r"a\ b", "a  b", "a   b", "a[ ]b", r"a[\ ]b", "a +b", "a *b", "a ?b", "a +?b", "a ??b",
        "a ?+b", "(?x) a \\ b", "(?x)a[ ] b", "(?x: a )\\ b", "(a) (b)", "(?:a )b", "(?a)a b", "(?i)A B",
        "(?<=a )b",
        "a(?= b)", "a {1,9}b", "a  *b", "(?P<x>a)(?:\\ )b", "(?x)a\\   +  b", "a[ x]+b", "a[^x]+b", "a[ -]+b",
        "(?a)a[ x]+b",
    ],
)  # fmt: skip
def test_a_space_matches_any_white_space(pattern, text):
    assert spans(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a b", "ab"), ("a b", "a-b"), ("a +b", "ab"), (r"a\x20b", "a\nb"), ("(?x)a b", "a b"),
        ("[^ ]{3}", "a\nb"), ("a[ -~]b", "a\nb"), ("a {2}b", "a b"), ("(?<!a )b", "a\nb"),
        ("(?<!a )b", "a \n b"), ("a[^ ]b", "a\u00a0b"),
    ],
)  # fmt: skip
def test_a_space_matches_nothing_else(pattern, text):
    assert not spans(pattern, text)


PIECES = [
    "a",
    "b",
    " ",
    "  ",
    "\\ ",
    "[ ]",
    "[ a]",
    "[^ b]",
    "\\n",
    "\\s",
    ".",
    "(a )",
    "(?:a| )",
    "(?= )",
    "(?! )",
]
QUANTIFIERS = ["", "", "", "*", "+", "?", "??", "*?", "{2}", "{1,2}", "{,2}"]


def patterns_of(pieces):
    """Patterns of such pieces, some of them repeated."""
    repeated = st.tuples(st.sampled_from(pieces), st.sampled_from(QUANTIFIERS))
    return st.lists(repeated, min_size=1, max_size=6).map(
        lambda parts: "".join(piece + ("" if piece == "|" else quantifier) for piece, quantifier in parts)
    )


TEXTS = st.text(alphabet="ab \n\u00a0", max_size=12)


@settings(max_examples=1_000, deadline=None)
@given(pattern=patterns_of(PIECES), text=TEXTS)
def test_what_matched_a_text_with_plain_spaces_matches_it_still(pattern, text):
    try:
        before = re.compile(pattern)
    except re.error:
        return
    # A negated set or look-ahead of a space excludes other white space too, so there is none here.
    plain = text.replace("\n", " ").replace("\u00a0", " ")
    if before.fullmatch(plain):
        assert re.compile(understood(pattern, ignore_case=False).spaced).fullmatch(plain)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^    def", "\n\n    def", ["    def"]), ("^    def", "        def", []),
        ("^ +a", "\n \t a", [" \t a"]), ("^ a", "\u00a0a", ["\u00a0a"]), ("(?a)^ a", "\u00a0a", ["\u00a0a"]),
        ("a +$", "a\n\nb", []),
        ("a *$", "a  \n\nb", ["a  "]), ("(?x)^ [ ] a", "\n a", [" a"]), ("^a b$", "a\nb", ["a\nb"]),
        (r"\A a", "\n a", ["\n a"]), (r"\^ a", "^\na", ["^\na"]), ("^  +a", "\n a", []),
    ],
)  # fmt: skip
def test_a_space_beside_an_anchor_stays_on_its_line(pattern, text, found):
    spaced = understood(pattern, ignore_case=False).spaced
    assert re.findall(spaced, text, re.MULTILINE) == found


@settings(max_examples=1_000, deadline=None)
@given(pattern=patterns_of(PIECES), text=TEXTS)
def test_white_space_of_any_kind_is_as_good_as_any_other(pattern, text):
    """Single white space characters are exchanged, so a pattern with no other white space sees one text."""
    if "\\n" in pattern or "." in pattern:
        return
    try:
        spaced = re.compile(understood(pattern, ignore_case=False).spaced)
    except re.error:
        return
    plain = text.replace("\n", " ").replace("\u00a0", " ")
    assert [m.span() for m in spaced.finditer(text)] == [m.span() for m in spaced.finditer(plain)]


@pytest.mark.parametrize("pattern", ["(?:[a-z]|\\d| )+x", "(?:a| )+$", "( ?a?)+x", "(a )+b"])
def test_a_repeat_around_a_space_stays_fast_in_much_white_space(pattern):
    spaced = re.compile(understood(pattern, ignore_case=False).spaced)
    assert not spaced.search("a" + "\n" * 300 + "!")


def test_the_time_for_a_hostile_pattern_is_linear():
    for part in ["(", "[", "(?<= ", "(?#", "(?P<", "\\N{", "[^ ", "(?<=("]:
        assert understood(part * (100_000 // len(part)), ignore_case=False).needed.literals == ()


# literals


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("Hill House expires", {"expires"}),
        (r"\bexpires?\b", {"expire"}),
        (r"\b(expire|end)s?\b[^.]{0,60}\b20\d\d\b", {"expire", "end"}),
        (r"Invoice No\. \d+", {"Invoice"}),
        ("(?:ab)?cd", {"cd"}),
        ("(?:ab)*", set()),
        ("ab|cd", {"ab", "cd"}),
        ("ab|c?", set()),
        ("(?=abc)d", set()),
        ("(?!abc)de", {"de"}),
        ("ab{0,3}cde", {"cde"}),
        ("abc{2}d", {"abc"}),
        ("well-known", {"known"}),
        (r"a\.b\*c", {"a.b*c"}),
        ("(?x)ab cd # efghij", {"abcd"}),
        ("(?i)ABC", {"abc"}),
        ("(?i)Äpfel", {"pfel"}),
        ("(?:(?i:A)BC)D{1,}E", {"bc"}),
        (r"\d{4}", set()),
        (r"(a)\1", set()),
        ("(?(1)ab|cd)", set()),
        ("[abc]de", {"de"}),
    ],
)  # fmt: skip
def test_the_longest_literal_that_a_match_holds_is_known(pattern, literals):
    found = understood(pattern, ignore_case=False).needed.literals
    assert {literal.decode() for literal in found} == literals


PARTS = [
    "a",
    "b",
    "ab",
    "K",
    "s",
    "i",
    "é",
    " ",
    "-",
    ".",
    "[ab]",
    "(ab|ba)",
    "(?:ab|)",
    "(?=ab)",
    "\\.",
    "(?i:ab)",
    "|",
]
LETTERS = st.text(alphabet="abABksKSiI\u0130\u0131\u017f\u212aé -.\n", max_size=10)


@settings(max_examples=2_000, deadline=None)
@given(pattern=patterns_of(PARTS), text=LETTERS, ignore_case=st.booleans())
def test_a_text_that_is_left_out_holds_no_match(pattern, text, ignore_case):
    found = understood(pattern, ignore_case=ignore_case)
    try:
        compiled = re.compile(found.spaced, re.IGNORECASE if ignore_case else 0)
    except re.error:
        return
    if not found.needed.may_match(text.encode()):
        assert not compiled.search(text)


def test_the_characters_that_equal_an_ascii_letter_but_for_their_case_are_known():
    for code in range(128, sys.maxunicode + 1):
        char = chr(code)
        if re.fullmatch("[a-z]", char, re.IGNORECASE) and not 0xD800 <= code < 0xE000:
            letter = next(low for low in map(chr, range(97, 123)) if re.fullmatch(low, char, re.IGNORECASE))
            assert Needed((letter.encode(),), folded=True).may_match(char.encode())
