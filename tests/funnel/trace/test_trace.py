"""Events on their way to a file and back."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from second_stage import RUN

from funnel.errors import BadSetting, BadTrace
from funnel.trace.events import Events, JsonlSink
from funnel.trace.kinds import ModelCallStarted, NoteWritten, RunEnded, TurnStarted
from funnel.trace.reading import attempts, read_run, read_trace
from funnel.types import Message

EARLIER = Path(__file__).parents[1] / "earlier_version"
LONG = "a long text, " * 40


def size(node):
    """How many things happened."""
    return 1 + sum(map(size, node.children))


def write(path, *, text="x"):
    """A run with a turn, a call inside it, and a note."""
    with JsonlSink(path) as sink:
        events = Events("r", sink, clock=iter(range(100)).__next__)
        with events.open(replace(RUN, question=text), parent=None) as run:
            with events.open(TurnStarted(number=1), parent=run.id) as turn:
                events.point(NoteWritten(key="k", text=text), parent=turn.id)
            run.end_with(RunEnded(error="ValueError: no"))


def test_a_trace_reads_back_as_the_tree_of_its_run(tmp_path):
    write(tmp_path / "t.jsonl")
    run = read_trace(tmp_path / "t.jsonl")
    [turn] = run.children
    [note] = turn.children
    assert [(n.kind, n.ended, n.at_s, n.wall_s) for n in (run, turn, note)] == [
        ("run", True, 1, 4), ("turn", True, 2, 2), ("note", True, 3, None),
    ]  # fmt: skip
    assert run.data == {**replace(RUN, question="x"), "error": "ValueError: no"}
    assert note.data == {"key": "k", "text": "x"}


def test_a_tree_is_json(tmp_path):
    write(tmp_path / "t.jsonl")
    shown = json.loads(json.dumps(read_trace(tmp_path / "t.jsonl").as_dict()))
    assert shown["children"][0]["children"][0]["data"]["text"] == "x"


@pytest.mark.parametrize(
    "text", ["line\nline", "a\u2028b\u2029c\x85d\x0be\x1cf", "\ud800 alone", "🦊 é", '"\\', "\x00"]
)
def test_any_text_comes_back_as_it_was(tmp_path, text):
    write(tmp_path / "t.jsonl", text=text)
    assert read_trace(tmp_path / "t.jsonl").data["question"] == text


def test_a_killed_run_has_nodes_that_never_ended(tmp_path):
    path = tmp_path / "t.jsonl"
    write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    run = read_trace(path)
    assert (run.ended, run.children[0].ended, run.children[0].children[0].ended) == (False, False, True)


@pytest.mark.parametrize("text", ["é" * 8, LONG])
def test_a_trace_cut_at_any_byte_is_read_up_to_there(tmp_path, text):
    path = tmp_path / "t.jsonl"
    write(path, text=text)
    whole = path.read_bytes()
    lines = [json.loads(line) for line in whole.splitlines()]
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    starts = {end for end, line in zip(ends, lines, strict=True) if line.get("phase") in {"start", "point"}}
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        # Without its newline a line is whole, too.
        begun = sum(end <= cut + 1 for end in starts)
        if begun:
            assert size(read_trace(path)) == begun
        else:
            with pytest.raises(BadTrace, match="it was cut off before its first event"):
                read_trace(path)


def test_a_long_text_is_written_once_and_read_back_wherever_it_stands(tmp_path):
    path = tmp_path / "t.jsonl"
    write(path, text=LONG)
    assert path.read_bytes().count(LONG.encode()) == 1
    run = read_trace(path)
    assert (run.data["question"], run.children[0].children[0].data["text"]) == (LONG, LONG)


def test_a_transcript_that_every_turn_repeats_is_written_once(tmp_path):
    said = [f"{number} {'word ' * 400}" for number in range(32)]
    with JsonlSink(tmp_path / "t.jsonl") as sink:
        events = Events("r", sink)
        for turn in range(16):
            messages = tuple(Message("user", text) for text in said[: 2 * turn + 2])
            begun = ModelCallStarted(purpose="turn", model="m", messages=messages, max_output_tokens=9)
            with events.open(begun, parent=None):
                pass
    texts = sum(map(len, said))
    references = sum(2 * turn + 2 for turn in range(16)) * len('{"role": "user", "content": {"$text": ""}}, ')
    assert (tmp_path / "t.jsonl").stat().st_size < texts * 1.1 + references * 2


def test_a_trace_of_before_texts_were_stored_once_reads_as_ever(tmp_path):
    path = tmp_path / "t.jsonl"
    data = {"question": LONG, "value": {"$text": "of its own"}}
    event = {"run": "r", "id": 1, "parent": None, "kind": "run", "phase": "start", "at_s": 0, "data": data}
    path.write_text(json.dumps(event) + "\n")
    assert read_trace(path).data == data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello\n", "line 1 holds no event"),
        (b"{}\n", "line 1 holds no event"),
        (b"5\n", "line 1 holds no event"),
        (b"[]\n{}\n", "line 1 holds no event"),
        (b'{"phase": "end", "id": 1, "data": {"wall_s": 1}}\n', "line 1 holds no event"),
        (b"\xff\xfe\x00\n", "line 1 holds no event"),
        (b"[" * 100_000, "line 1 holds no event"),
        (b'{"run": "r", "id"', "it was cut off before its first event"),
    ],
)
def test_a_file_that_is_no_trace_says_why(tmp_path, content, reason):
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadTrace) as raised:
        read_trace(path)
    assert str(raised.value) == f"{path} is not a trace of funnel: {reason}."


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "t.jsonl"
    write(path)
    lines = path.read_text().split("\n")
    lines[2] = lines[2][:20]
    path.write_text("\n".join(lines))
    with pytest.raises(BadTrace, match="line 3 holds no event"):
        read_trace(path)


def test_an_event_inside_itself_is_no_event(tmp_path):
    path = tmp_path / "t.jsonl"
    event = {"run": "r", "id": 1, "parent": 1, "kind": "run", "phase": "start", "at_s": 0, "data": {}}
    path.write_text(f"{json.dumps(event)}\n" * 2)
    with pytest.raises(BadTrace, match="line 1 holds no event"):
        read_trace(path)


def test_no_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(BadTrace, match="there is no such file"):
        read_trace(tmp_path / "none.jsonl")
    with pytest.raises(BadTrace, match="it cannot be read"):
        read_trace(tmp_path)


def test_only_its_owner_may_read_a_trace(tmp_path):
    before = os.umask(0)
    try:
        write(tmp_path / "new.jsonl")
    finally:
        os.umask(before)
    (tmp_path / "old.jsonl").write_text("public")
    (tmp_path / "old.jsonl").chmod(0o644)
    write(tmp_path / "old.jsonl")
    for name in ("new.jsonl", "old.jsonl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_trace_may_go_to_what_is_no_file():
    before = Path(os.devnull).stat().st_mode
    write(Path(os.devnull))
    assert Path(os.devnull).stat().st_mode == before


def test_a_trace_that_cannot_be_written_says_where_and_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match=r"cannot be written .*Name another file or set FUNNEL_TRACE_DIR"):
        JsonlSink(tmp_path / "file" / "t.jsonl")


def test_the_end_of_a_thing_that_raised_carries_its_error():
    seen = []
    events = Events("r", seen.append)
    with pytest.raises(ValueError, match="no"), events.open(TurnStarted(number=1), parent=None):
        raise ValueError("no")
    assert [(e.phase, e.data.get("error")) for e in seen] == [("start", None), ("end", "ValueError: no")]


# traces of other versions


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


@pytest.mark.parametrize(("name", "n", "ended"), [("whole", 29, True), ("killed", 12, False)])
def test_a_trace_of_the_version_before_reads_with_all_its_fields(name, n, ended):
    run = read_trace(EARLIER / f"{name}.jsonl")
    nodes = list(walk(run))
    assert (len(nodes), run.ended) == (n, ended)
    assert all(node.begun is not None for node in nodes)
    assert all((node.ending is None) == (node.wall_s is None) for node in nodes)


def test_the_answer_of_an_earlier_trace_has_its_reason():
    [answer] = [node.begun for node in walk(read_trace(EARLIER / "whole.jsonl")) if node.kind == "answer"]
    assert (answer.status, answer.end_reason, answer.citations[0].start) == ("complete", "answered", 0)


def test_kinds_fields_and_values_of_a_later_version_are_passed_over(tmp_path):
    path = tmp_path / "t.jsonl"
    write(path)
    first, *rest = path.read_text().splitlines()
    run = json.loads(first)
    run["data"]["weather"] = {"sky": "blue"}
    later = {
        "run": "r",
        "id": 9,
        "parent": 1,
        "kind": "dream",
        "phase": "point",
        "at_s": 2,
        "data": {"of": 1},
    }
    other = {**later, "id": 10, "kind": "note", "data": {"key": 5}}
    path.write_text("\n".join([json.dumps(run), json.dumps(later), json.dumps(other), *rest]))
    root = read_trace(path)
    dream, note, turn = root.children
    assert root.begun == replace(RUN, question="x")
    assert root.data["weather"] == {"sky": "blue"}
    assert (dream.kind, dream.data, dream.begun) == ("dream", {"of": 1}, None)
    assert (note.data, note.begun) == ({"key": 5}, None)
    assert turn.begun == TurnStarted(number=1)


# attempts


def test_the_attempts_of_a_run_are_found_in_order(tmp_path):
    for name in ("r.jsonl", "r.10.jsonl", "r.2.jsonl", "r.x.jsonl", "rr.1.jsonl", "r.1.html"):
        (tmp_path / name).touch()
    assert [file.name for file in attempts(tmp_path / "r.jsonl")] == ["r.jsonl", "r.2.jsonl", "r.10.jsonl"]
    assert attempts(tmp_path / "none" / "r.jsonl") == []


def test_the_attempts_of_a_run_are_one_tree_in_which_every_id_and_time_follows_on(tmp_path):
    files = [tmp_path / "r.jsonl", tmp_path / "r.1.jsonl"]
    for file in files:
        write(file)
    root = read_run(files)
    ids = [node.id for node in walk(root)]
    assert (root.kind, root.data["attempts"], ids) == ("run", 2, [1, 2, 3, 4, 5, 6, 7])
    assert [(node.at_s, node.wall_s) for node in root.children] == [(0, 4), (4, 4)]
    assert (root.at_s, root.wall_s, root.ended) == (0, 8, True)


def test_an_attempt_that_was_killed_leaves_the_whole_to_the_next(tmp_path):
    shutil.copy(EARLIER / "killed.jsonl", tmp_path / "r.jsonl")
    (tmp_path / "r.1.jsonl").touch()
    write(tmp_path / "r.2.jsonl")
    root = read_run(attempts(tmp_path / "r.jsonl"))
    assert [child.ended for child in root.children] == [False, True]
    assert root.ended


def test_one_attempt_is_the_tree_of_its_file(tmp_path):
    write(tmp_path / "r.jsonl")
    assert read_run([tmp_path / "r.jsonl"]) == read_trace(tmp_path / "r.jsonl")


def test_an_attempt_that_does_not_read_is_named(tmp_path):
    write(tmp_path / "r.jsonl")
    (tmp_path / "r.1.jsonl").write_text("hello\n")
    with pytest.raises(BadTrace, match=r"r\.1\.jsonl is not a trace of funnel: line 1 holds no event"):
        read_run([tmp_path / "r.jsonl", tmp_path / "r.1.jsonl"])
