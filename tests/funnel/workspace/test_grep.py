"""grep finds what re.finditer finds in the whole text, and no pattern can hang or kill the host."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import gone, started

from funnel.asker import LOCAL_OWNER
from funnel.errors import BadPattern
from funnel.memory import InMemory
from funnel.workspace import grep_worker
from funnel.workspace.grep_worker import Scanner
from funnel.workspace.grepping import spread
from funnel.workspace.workspace import Workspace

LETTERS = st.sampled_from([*"aab ..\n", "\r\n", "É", "é", "e\u0301", "\U0001f600", "\u017f", "字"])
TEXTS = st.lists(LETTERS, max_size=80).map("".join)
# None looks at more than 8 characters at once.
BOUNDED = [
    "a", "ab", "a?", "", r"\b", r"\B", r"\b\w{1,6}", "(?i)É", "(?m)^", "(?m)$", r"(?m)^.{0,5}$", r"\A", r"\Z",
    "^", "$", r"(?<=a)b", r"(?<!a)b", r"a(?=\s)", r"(?!a)\w", r"(a|b)\1", ".", "(?s).", r"[^a]{2,4}?",
    r"\s{1,3}", "e\u0301", "(?:ab?){1,4}",
]  # fmt: skip


@dataclass(frozen=True)
class Info:
    id: str
    version: str = "v1"
    title: str = ""
    uri: str = ""


def scanned(pattern, text, *, page, reach=8, context=0, limit=10_000):
    scanner = Scanner(re.compile(pattern), reach, context)
    pieces = [text[at : at + page] for at in range(0, len(text), page)] or [""]
    found, count = [], 0
    for n, piece in enumerate(pieces):
        answer = scanner.feed(piece, last=n == len(pieces) - 1, limit=limit - len(found))
        found += answer["found"]
        count += answer["count"]
    return found, count


@pytest.fixture
async def workspace():
    async with Workspace(
        InMemory(), run="1", page_chars=7, reach=32, grep_piece_s=1.0, asker=LOCAL_OWNER
    ) as opened:
        yield opened


# what is found


@settings(max_examples=600, deadline=None)
@given(pattern=st.sampled_from(BOUNDED), text=TEXTS, page=st.integers(1, 20))
def test_pages_give_the_spans_of_the_whole_text(pattern, text, page):
    found, count = scanned(pattern, text, page=page)
    assert [(start, stop) for start, stop, *_ in found] == [m.span() for m in re.finditer(pattern, text)]
    assert count == len(found)


ANCHORED = [
    "^a", "a$", "^$", r"\Aa", r"a\Z", r"^a|b$", "(?s)^a.b$", r"(?<=^a)b", "(?-s:^a)", r"^\w{1,4}$", "^ a",
    "a $", "^  a", "^ {1,3}a", r"^\s?a", "(?x) ^ a $", "(?i)^A", "^(?:a| )b", r"\Aa$",
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(pattern=st.sampled_from(ANCHORED), text=st.text(alphabet="aab  \n", max_size=40))
async def test_anchors_match_at_each_line_as_those_of_re_do(pattern, text):
    async with Workspace(InMemory(), run="1", page_chars=7, reach=64, asker=LOCAL_OWNER) as workspace:
        await workspace.add_document(Info("d"), text)
        found = await workspace.grep(pattern)
        expected = [match.span() for match in re.finditer(pattern, text, re.MULTILINE)]
        assert [(match.start, match.stop) for match in found.matches] == expected


@settings(max_examples=400, deadline=None)
@given(pattern=st.sampled_from(BOUNDED), text=TEXTS, page=st.integers(1, 20))
def test_pages_give_the_spans_of_the_whole_text_at_each_line_too(pattern, text, page):
    many_lines = re.compile(pattern, re.MULTILINE)
    found, _ = scanned(many_lines, text, page=page)
    assert [(start, stop) for start, stop, *_ in found] == [m.span() for m in many_lines.finditer(text)]


@settings(max_examples=100, deadline=None)
@given(
    pattern=st.sampled_from(["a", r"\s", "ab?"]),
    text=TEXTS,
    page=st.integers(1, 20),
    context=st.integers(0, 15),
)
def test_what_stands_around_a_match_is_the_text_around_it(pattern, text, page, context):
    found, _ = scanned(pattern, text, page=page, context=context)
    around = [(text[max(0, a - context) : a], text[a:b], text[b : b + context]) for a, b, *_ in found]
    assert [(before, middle, after) for _, _, middle, before, after in found] == around


@pytest.mark.parametrize("page", [7, 64])
async def test_a_workspace_finds_what_finditer_finds(page):
    text = "Der Müller sah 12 Hunde,\r\n3 Katzen und \U0001f600 e\u0301ine Maus.\n" * 9
    async with Workspace(InMemory(), run="1", page_chars=page, reach=32, asker=LOCAL_OWNER) as workspace:
        await workspace.add_document(Info("d"), text)
        for pattern in [r"\d+ \w+", "\U0001f600", "(?m)^3", r"(?<=e)\u0301", r"\bMaus\.$", "nowhere"]:
            found = await workspace.grep(pattern, ["d"], context=5)
            expected = list(re.finditer(pattern, text, re.MULTILINE))
            assert [(m.start, m.stop) for m in found.matches] == [m.span() for m in expected]
            assert [m.text for m in found.matches] == [m.group() for m in expected]
            assert [m.text for m in found.matches] == [
                await workspace.read("d", m.start, m.stop) for m in found.matches
            ]


@settings(max_examples=400, deadline=None)
@given(
    pattern=st.sampled_from(["ab", "aa?b", r"\w{2,4}", r"\bab\b", "a-b", "(?m)^a", "b{2}", "a|ab"]),
    text=st.text(alphabet="aab-\u00ad\n ", max_size=40),
    page=st.integers(1, 20),
)
def test_pages_give_the_spans_of_the_whole_text_in_divided_words_too(pattern, text, page):
    found, count = scanned(pattern, text, page=page, reach=16)
    whole, _ = scanned(pattern, text, page=1_000, reach=16)
    assert found == whole
    assert count == len(found)
    plain = [match.span() for match in re.finditer(pattern, text)]
    assert [(start, stop) for start, stop, *_ in found if (start, stop) in plain] == plain


@pytest.mark.parametrize(
    ("pattern", "text", "match"),
    [
        ("agreement", "an agree-\nment of", "agree-\nment"),
        ("agreement", "an agree-  \r\n  ment of", "agree-  \r\n  ment"),
        ("agreement", "an agree\u00adment of", "agree\u00adment"),
        ("agreement", "an agree\u00ad\nment of", "agree\u00ad\nment"),
        ("agreement", "an ag\u00adree\u00adment of", "ag\u00adree\u00adment"),
        ("agreement", "an agree\u2010\nment of", "agree\u2010\nment"),
        ("well-known", "a well-\nknown man", "well-\nknown"),
        ("an agreement", "an\nagree-\nment", "an\nagree-\nment"),
        (r"\bagree\b", "an agree-\nment of", "agree"),
        ("(?i)AGREEMENT", "an agree-\nment of", "agree-\nment"),
    ],
)
async def test_a_word_is_found_where_it_is_divided(pattern, text, match):
    async with Workspace(InMemory(), run="1", asker=LOCAL_OWNER) as workspace:
        await workspace.add_document(Info("d"), text)
        (found,) = (await workspace.grep(pattern, context=3)).matches
        assert (found.text, await workspace.read("d", found.start, found.stop)) == (match, match)
        assert text[found.start - len(found.before) : found.stop + len(found.after)] == (
            found.before + found.text + found.after
        )


@pytest.mark.parametrize(
    ("pattern", "text"), [("ab", "a-b"), ("ab", "a- b"), ("12", "1-\n2"), ("ab", "a-\n\nb")]
)
async def test_a_hyphen_within_a_line_divides_no_word(workspace, pattern, text):
    await workspace.add_document(Info("d"), text)
    assert (await workspace.grep(pattern)).total == 0


async def test_a_phrase_is_found_across_lines_with_its_exact_span(workspace):
    text = "The tenant\n   shall\u00a0not sublet. The tenant shall not."
    await workspace.add_document(Info("d"), text)
    found = await workspace.grep("tenant shall not")
    assert [text[m.start : m.stop] for m in found.matches] == [
        "tenant\n   shall\u00a0not",
        "tenant shall not",
    ]


def test_a_match_longer_than_reach_is_cut_into_pieces_no_longer_than_reach():
    found, _ = scanned("x+", "." + "x" * 100 + ".", page=10)
    assert all(stop - start <= 8 for start, stop, *_ in found)
    assert found[0][:2] == (1, 9)


def test_a_match_longer_than_reach_in_one_piece_counts_once():
    assert scanned("x+", "." + "x" * 100 + ".", page=1000) == ([(1, 9, "x" * 8, "", "")], 1)


async def test_documents_are_searched_in_the_order_given(workspace):
    for name in "abc":
        await workspace.add_document(Info(name), f"only {name}")
    found = await workspace.grep("only .", ["c", "a"])
    assert [m.text for m in found.matches] == ["only c", "only a"]


async def test_without_ids_all_documents_are_searched_by_id(workspace):
    for name in "cab":
        await workspace.add_document(Info(name), f"only {name}")
    assert [m.document_id for m in (await workspace.grep("only")).matches] == ["a", "b", "c"]


async def test_the_total_goes_on_behind_the_limit(workspace):
    await workspace.add_document(Info("a"), "x" * 50)
    await workspace.add_document(Info("b"), "x" * 50)
    found = await workspace.grep("x", limit=60)
    assert (len(found.matches), found.total) == (60, 100)


async def test_case_counts_unless_asked(workspace):
    await workspace.add_document(Info("d"), "Fox fox FOX")
    assert (await workspace.grep("fox")).total == 1
    assert (await workspace.grep("fox", ignore_case=True)).total == 3
    assert (await workspace.grep("(?i)fox")).total == 3


async def test_an_empty_document_is_searched_too(workspace):
    await workspace.add_document(Info("d"), "")
    assert (await workspace.grep("^$")).total == 1


async def test_lone_surrogates_pass_through(workspace):
    await workspace.add_document(Info("d"), "a\ud800b")
    (match,) = (await workspace.grep("\ud800.")).matches
    assert (match.start, match.text, match.before) == (1, "\ud800b", "a")


async def test_many_greps_at_once_do_not_mix(workspace):
    for n in range(20):
        await workspace.add_document(Info(f"{n:02d}"), f"<{n}> " * 5)
    found = await asyncio.gather(*(workspace.grep(f"<{n}>", [f"{n:02d}"]) for n in range(20)))
    assert [result.total for result in found] == [5] * 20


# what a pattern may not do


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(?:a?){40}a{40}$"])
async def test_a_runaway_pattern_ends_while_the_host_goes_on(workspace, pattern):
    await workspace.add_document(Info("d"), "a" * 39 + "b")
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    busy = asyncio.create_task(others())
    with pytest.raises(BadPattern, match="more than 1 s on one piece of text"):
        await workspace.grep(pattern)
    busy.cancel()
    assert turns > 1
    assert (await workspace.grep("b")).total == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
async def test_a_pattern_that_takes_all_memory_is_an_error_of_the_pattern():
    async with Workspace(InMemory(), run="1", grep_piece_s=60.0, asker=LOCAL_OWNER) as workspace:
        # Each repeat keeps where 5,000 groups stood: 80 kB, a hundred thousand times.
        await workspace.add_document(Info("d"), "a" * 100_000)
        with pytest.raises(BadPattern, match="it needs too much memory"):
            await workspace.grep("(?:" + "()" * 5_000 + "a|b)*c")
        assert (await workspace.grep("a")).total == 100_000


@pytest.fixture
async def patient():
    """A workspace that gives a pattern all the time in the world."""
    async with Workspace(
        InMemory(), run="1", page_chars=7, reach=32, grep_piece_s=300.0, asker=LOCAL_OWNER
    ) as opened:
        yield opened


async def _hanging(workspace):
    """A grep that never ends by itself, under way, and its process."""
    await workspace.add_document(Info("d"), "a" * 39 + "b")
    await workspace.grep("b")
    grep = asyncio.create_task(workspace.grep("(a+)+$"))
    await asyncio.sleep(0.1)
    return grep, workspace._grepper._process


async def test_a_worker_that_dies_is_an_error_of_the_pattern(patient):
    grep, process = await _hanging(patient)
    process.kill()
    with pytest.raises(BadPattern, match="broke the process"):
        await grep
    assert (await patient.grep("b")).total == 1


async def test_a_cancelled_grep_takes_its_process_along(patient):
    grep, process = await _hanging(patient)
    grep.cancel()
    with pytest.raises(asyncio.CancelledError):
        await grep
    assert process.returncode is not None


@pytest.mark.parametrize(
    ("pattern", "reason", "position"),
    [
        ("a(b", "missing ), unterminated subpattern", 1),
        ("a**", "multiple repeat", 2),
        ("[z-a]", "bad character range z-a", 1),
        ("*", "nothing to repeat", 0),
        ("a{99999999999}", "the repetition number is too large", None),
        ("(?a)(?u)x", "ASCII and UNICODE flags are incompatible", None),
        ("(" * 3000, "maximum recursion depth exceeded", None),
    ],
)
async def test_a_bad_pattern_says_what_where_and_what_to_do(workspace, pattern, reason, position):
    with pytest.raises(BadPattern, match=re.escape("re.escape")) as error:
        await workspace.grep(pattern)
    assert (error.value.reason, error.value.position) == (reason, position)


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="this system has no alarm")
def test_a_worker_whose_parent_is_gone_ends_itself():
    asked = {
        "pattern": "(a+)+$", "spaced": "(a+)+$", "ignore_case": False,
        "reach": 8, "context": 0, "late_s": 1,
    }  # fmt: skip
    frames = [b"P" + json.dumps(asked).encode(), b"L" + bytes(8) + b"a" * 39 + b"b"]
    sent = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    command = [sys.executable, "-I", "-S", grep_worker.__file__]
    ended = subprocess.run(command, input=sent, capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


@pytest.mark.parametrize("wrong", [{"context": -1}, {"limit": -1}])
async def test_a_number_below_zero_is_refused(workspace, wrong):
    with pytest.raises(ValueError, match="neither may be below 0"):
        await workspace.grep("a", **wrong)


async def test_a_limit_may_be_as_large_as_one_likes(workspace):
    await workspace.add_document(Info("d"), "aaa")
    assert len((await workspace.grep("a", limit=10**12)).matches) == 3


async def test_a_bad_pattern_is_a_value_error(workspace):
    with pytest.raises(ValueError, match="at position 0"):
        await workspace.grep("(")


async def test_an_endless_pattern_is_refused_before_it_is_compiled(workspace):
    with pytest.raises(BadPattern, match="has 100001 characters, of at most 100000"):
        await workspace.grep("a" * 100_001)


async def test_a_pattern_that_python_warns_of_is_no_error(workspace):
    await workspace.add_document(Info("d"), "a[b]")
    assert (await workspace.grep("[[b]")).total == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_computing_worker_does_not_outlive_a_parent_that_is_killed():
    code = (
        "import asyncio\nfrom funnel.workspace.grep import Grepper, Search\n"
        "async def main():\n"
        "    async with Grepper(piece_s=60).search(Search('(a+)+$', False, 8, 0)) as scan:\n"
        "        print(scan._process.pid, flush=True)\n"
        "        await scan.document()\n"
        "        await scan.feed('d', b'a' * 40 + b'!', last=True, limit=1)\n"
        "asyncio.run(main())"
    )
    with started([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        worker = parent.stdout.readline().strip()
        assert not gone([worker], 0.2)
        parent.kill()
        parent.wait()
        assert gone([worker], 2)


# many documents


@dataclass(frozen=True)
class Facts(Info):
    n_chars: int = 0


class Shelf:
    """Documents that are fetched, many at a time, as a collection's are; notes how they were asked for."""

    def __init__(self, texts):
        self.texts = texts
        self.batches = []

    async def fetch(self, name, start, stop):
        return self.texts[name][start:stop]

    async def fetch_texts(self, names, needed):
        self.batches.append(tuple(names))
        encoded = {name: self.texts[name].encode() for name in names}
        return {name: text for name, text in encoded.items() if needed.may_match(text)}


@pytest.fixture
async def shelve():
    async with Workspace(InMemory(), run="1", page_chars=50, reach=32, asker=LOCAL_OWNER) as workspace:

        async def put(texts):
            shelf = Shelf(texts)
            workspace.fetch_with(shelf.fetch, shelf.fetch_texts)
            await workspace.register([Facts(name, n_chars=len(text)) for name, text in texts.items()])
            return workspace, shelf

        yield put


async def test_documents_large_and_small_are_searched_in_their_order(shelve):
    texts = {"a": "x1", "b": "y x2 " + "." * 400 + " x3", "c": "", "d": "x4 x5", "e": "." * 201, "f": "x6"}
    workspace, shelf = await shelve(texts)
    found = await workspace.grep(r"x\d", list(texts), context=0)
    assert [(m.document_id, m.text) for m in found.matches] == [
        ("a", "x1"), ("b", "x2"), ("b", "x3"), ("d", "x4"), ("d", "x5"), ("f", "x6"),
    ]  # fmt: skip
    assert (found.total, dict(found.counts)) == (6, {"a": 1, "b": 2, "d": 2, "f": 1})
    assert shelf.batches == [("a",), ("c", "d"), ("f",)]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(alphabet="ab x-\n", max_size=120), max_size=12),
    pattern=st.sampled_from(["a", "ab", "a b", "x|ab", "^$", "(?i)B", "a.b"]),
    limit=st.integers(0, 8),
)
async def test_many_documents_give_what_each_gives_alone(texts, pattern, limit):
    named = {f"{n:02d}": text for n, text in enumerate(texts)}
    async with Workspace(InMemory(), run="1", page_chars=20, reach=32, asker=LOCAL_OWNER) as workspace:
        shelf = Shelf(named)
        workspace.fetch_with(shelf.fetch, shelf.fetch_texts)
        await workspace.register([Facts(name, n_chars=len(text)) for name, text in named.items()])
        alone = [await workspace.grep(pattern, [name]) for name in named]
        together = await workspace.grep(pattern, list(named), limit=limit)
    every = [match for found in alone for match in found.matches]
    assert list(together.matches) == every[:limit]
    assert together.total == sum(found.total for found in alone)
    assert together.counts == {
        name: found.total for name, found in zip(named, alone, strict=True) if found.total
    }


async def test_some_matches_of_some_documents_are_those_of_all(shelve):
    texts = {"a": "x1 x2 x3 x4", "b": "x5 " + "." * 400 + " x6 x7", "c": "x8"}
    workspace, _ = await shelve(texts)
    found = await workspace.matches(r"x\d", {"a": (1, 2), "b": (1, 1)}, context=0, ignore_case=False)
    assert [m.text for m in found.matches] == ["x2", "x3", "x6"]


async def test_a_slow_pattern_is_stopped_among_many_documents(shelve):
    texts = {f"{n:03d}": "a" * 39 + "b" for n in range(100)}
    workspace, _ = await shelve(texts)
    workspace._grepper._piece_s = 1.0
    with pytest.raises(BadPattern, match="more than 1 s on one piece of text"):
        await workspace.grep("(a+)+$", list(texts))


async def test_a_fetch_that_fails_is_the_error_of_the_grep(shelve):
    texts = {f"{n:03d}": "a" * 199 for n in range(9)}
    workspace, shelf = await shelve(texts)
    shelf.texts = {name: text for name, text in texts.items() if name != "007"}
    with pytest.raises(KeyError, match="007"):
        await workspace.grep("a", list(texts))
    assert (await workspace.grep("a", ["001"])).total == 199


@pytest.mark.parametrize(
    ("counts", "start", "limit", "chosen"),
    [
        ({"a": 9, "b": 1, "c": 2}, 0, 3, {"a": (0, 1), "b": (0, 1), "c": (0, 1)}),
        ({"a": 9, "b": 1, "c": 2}, 0, 6, {"a": (0, 3), "b": (0, 1), "c": (0, 2)}),
        ({"a": 9, "b": 1, "c": 2}, 0, 2, {"a": (0, 1), "b": (0, 1)}),
        ({"a": 9, "b": 1, "c": 2}, 2, 2, {"a": (1, 1), "c": (0, 1)}),
        ({"a": 9, "b": 1, "c": 2}, 9, 9, {"a": (6, 3)}),
        ({"a": 9, "b": 1, "c": 2}, 12, 9, {}),
        ({}, 0, 9, {}),
    ],
)
def test_matches_are_chosen_from_as_many_documents_as_possible(counts, start, limit, chosen):
    assert spread(counts, start, limit) == chosen


@given(counts=st.dictionaries(st.text(max_size=2), st.integers(1, 30), max_size=9), limit=st.integers(1, 20))
def test_one_choice_after_another_gives_every_match_once(counts, limit):
    seen = []
    for start in range(0, sum(counts.values()), limit):
        chosen = spread(counts, start, limit)
        places = [(name, n) for name, (skip, take) in chosen.items() for n in range(skip, skip + take)]
        assert len(places) == min(limit, sum(counts.values()) - start)
        seen += places
    assert sorted(seen) == sorted((name, n) for name, count in counts.items() for n in range(count))
