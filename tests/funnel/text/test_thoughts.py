"""The thoughts of a reasoning model taken out of its reply, wherever they stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.thoughts import WordFilter, part

CODE = 'import re\nx = re.findall("<think>(.*?)</think>", text)\ny = text.split("</think>")[1]'


@pytest.mark.parametrize(
    ("reply", "text", "thoughts"),
    [
        ('<think>{"a": 1}</think>{"a": 2}', '{"a": 2}', '{"a": 1}'),
        ("<think>\nhm\n</think>\n\nHouse", "House", "hm"),
        ("<think></think>\n\nHouse", "House", ""),
        ("<think>hm, and then", "", "hm, and then"),
        ('hm {"a": 1}\n</think>\n\n{"a": 2}', '{"a": 2}', 'hm {"a": 1}'),
        ('{"a": 1}\n</think>\n{"a": 2}', '{"a": 2}', '{"a": 1}'),
        ("I don't know</think>House", "House", "I don't know"),
        ("<think>a</think>House<think>b</think>", "House", "a\nb"),
        ("The house <think>hm</think> is old.", "The house is old.", "hm"),
        ("House <think>hm", "House ", "hm"),
        ("<think>It names the <think> tag.</think>House", "House", "It names the <think> tag."),
        ("<think>It says </think> ends it. Good.</think>House", "House", "It says\nends it. Good."),
        ('<think>Split at "</think>" then.</think>House', "House", 'Split at "\n" then.'),
        ("<THINK>hm</THINK>House", "House", "hm"),
        ("<thinking>hm</thinking>House", "House", "hm"),
        ("<thought>hm</thought>House", "House", "hm"),
        ("[THINK]hm[/THINK]House", "House", "hm"),
        ("\u25c1think\u25b7hm\u25c1/think\u25b7House", "House", "hm"),
        ("<seed:think>hm</seed:think>House", "House", "hm"),
        ("<|START_THINKING|>hm<|END_THINKING|>House", "House", "hm"),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>House",
            "House",
            "hm",
        ),
        ('{"answer": "<think>hm</think>House"}', '{"answer": "House"}', "hm"),
        ('{"answer": "<think>hm House"}', '{"answer": ""}', "hm House"),
        ('{"answer": "hm</think>House"}', '{"answer": "House"}', "hm"),
        ('Here: {"a": ["<think>hm</think>House"]}.', 'Here: {"a": ["House"]}.', "hm"),
        ('```json\n{"a": "<think>hm</think>b"}\n```', '```json\n{"a": "b"}\n```', "hm"),
        ("```python\n<think>hm</think>\nprint(1)\n```", "```python\n\nprint(1)\n```", "hm"),
        ("```python\nprint(1)  # <think>hm</think>\n```", "```python\nprint(1)  # \n```", "hm"),
    ],
)
def test_thoughts_are_taken_out_wherever_they_stand(reply, text, thoughts):
    found = part(reply)
    assert (found.text, found.thoughts) == (text, thoughts)


@pytest.mark.parametrize(
    "reply",
    [
        "No thoughts at all, I think.",
        'The tag "<think>" begins them, and `</think>` ends them.',
        f"```python\n{CODE}\n```",
        json.dumps({"code": f"```python\n{CODE}\n```"}),
        "a < b and c > d, <thinker>",
        "```python\nd = {'open': \"<think>\", 'close': \"</think>\"}\n```",
    ],
)
def test_what_speaks_of_the_tags_is_no_thought(reply):
    assert part(reply).text == reply


def test_a_block_of_the_prompt_is_a_quotation_unless_the_reply_begins_with_it():
    quoted = "<think>it rains</think>".__eq__
    assert part("It says <think>it rains</think> there.", quoted).thoughts == ""
    assert part("<think>it rains</think>House", quoted).text == "House"


@given(st.text(alphabet="ab <>/think{}\"'\n`", max_size=60), st.text(alphabet="ab {}\n", max_size=20))
def test_no_reply_is_an_error_and_what_was_taken_apart_stays_so(reply, thought):
    part(reply)
    once = part(f"<think>{thought}</think>{reply}").text
    assert thought.strip() == "" or f"<think>{thought}" not in once


def heard(reply: str, size: int) -> str:
    said: list[str] = []
    words = WordFilter(said.append, said.clear)
    for at in range(0, len(reply), size):
        words.add(reply[at : at + size])
    words.finish()
    return "".join(said)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("<think>hm</think>House", "House"),
        ("Hill <think>hm</think>House", "Hill House"),
        ("hm</think>House", "House"),
        ("a < b, <b>bold</b>", "a < b, <b>bold</b>"),
        ("House <think>hm", "House "),
        ("House <thi", "House <thi"),
        ("[1] and [2]", "[1] and [2]"),
    ],
)
def test_words_pass_as_they_come_and_thoughts_do_not(reply, shown, size):
    assert heard(reply, size) == shown


def test_a_word_that_can_be_no_tag_is_not_held_back():
    said: list[str] = []
    words = WordFilter(said.append, said.clear)
    words.add("Hill ")
    assert said == ["Hill "]
