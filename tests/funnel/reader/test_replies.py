"""The reply of the reader's model is read in whatever form it comes; what is none is told in short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.reader.replies import Quote, Reply, read_reply


def plain(reply):
    assert isinstance(reply, Reply), reply
    return reply.found, reply.answer, reply.quotes


@pytest.mark.parametrize("answer", ["null", '""', "[]", "{}"])
@pytest.mark.parametrize("found", ["false", '"false"', '"No"', "0"])
def test_found_false_needs_no_answer(found, answer):
    assert plain(read_reply(f'{{"found": {found}, "answer": {answer}}}')) == (False, "", ())


def test_found_false_alone_is_a_reply():
    assert plain(read_reply('{"found": false}')) == (False, "", ())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("14", "14"),
        ("2.5", "2.5"),
        ("true", "Yes"),
        ('["a", "b"]', "a, b"),
        ('{"text": "x"}', "x"),
        ('{"days": 14, "by": "post"}', "days: 14; by: post"),
    ],
)
def test_an_answer_of_any_type_becomes_words(answer, words):
    assert plain(read_reply(f'{{"answer": {answer}}}')) == (True, words, ())


@pytest.mark.parametrize("name", ["response", "final_answer", "result"])
def test_an_answer_under_another_name_is_read(name):
    assert plain(read_reply(f'{{"{name}": "x"}}')) == (True, "x", ())


@pytest.mark.parametrize("passage", ['"[2]"', '"passage 2"', '"2"', "2", "2.0", "[2]"])
def test_the_number_of_a_passage_is_read_in_any_form(passage):
    reply = read_reply(f'{{"answer": "x", "quotes": [{{"passage": {passage}, "quote": "q"}}]}}')
    assert plain(reply) == (True, "x", (Quote(2, "q"),))


@pytest.mark.parametrize(
    ("listed", "quotes"),
    [
        ("null", ()),
        ('"q"', (Quote(None, "q"),)),
        ('["q", "r"]', (Quote(None, "q"), Quote(None, "r"))),
        ('{"2": "q"}', (Quote(2, "q"),)),
        ('{"passage": 2, "quote": "q"}', (Quote(2, "q"),)),
        ('[{"passage": 2, "quote": null}]', ()),
        ('[{"passage": 2, "quote": ["q", "r"]}]', (Quote(2, "q"), Quote(2, "r"))),
        ('[{"passage": "the first", "text": "q"}]', (Quote(None, "q"),)),
    ],
)
def test_quotes_are_read_in_any_form(listed, quotes):
    assert plain(read_reply(f'{{"answer": "x", "quotes": {listed}}}')) == (True, "x", quotes)


@pytest.mark.parametrize(
    "reply",
    [
        '{"answer": "x", "quotes": [],}',
        "{'answer': 'x'}",
        '{answer: "x"}',
        '{"answer": "x"} and so on }',
        '{"answer": "x"}\n{"answer": "y"}',
        '[{"answer": "x"}]',
        '```json\n{"answer": "x"}\n```',
        'Let {a} be.\n{"answer": "x"}',
        '{"reply": {"answer": "x"}}',
    ],
)
def test_an_object_is_read_although_it_is_not_quite_json(reply):
    assert plain(read_reply(reply)) == (True, "x", ())


def test_line_breaks_in_a_text_may_stand_as_they_are():
    assert plain(read_reply('{"answer": "one\ntwo"}')) == (True, "one\ntwo", ())


def test_quotation_marks_in_a_text_may_stand_as_they_are():
    reply = read_reply('{"answer": "x", "quotes": [{"passage": 1, "quote": "He said "no" to me"}]}')
    assert plain(reply) == (True, "x", (Quote(1, 'He said "no" to me'),))


def test_a_reply_cut_off_in_its_quotes_keeps_its_answer():
    reply = read_reply('{"found": true, "answer": "They take 14 days [1].", "quotes": [{"passage": 1, "quo')
    assert plain(reply)[:2] == (True, "They take 14 days [1].")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Fourteen days.", "no JSON object in it"),
        ('{"answer": "cut o', "no JSON object in it"),
        ("{}", "answer: Field required"),
        ('{"found": true}', "answer: Field required"),
        ('{"answer": " "}', "answer: it is empty"),
        ('{"found": true, "answer": null}', "answer: it is empty"),
        (
            '{"answer": "<your answer> [<number>]."}',
            "answer: it is the placeholder of the example, not an answer",
        ),
        ('{"answer": "x", "quotes": 7}', "quotes: it is neither a list nor a text"),
    ],
)
def test_what_is_no_reply_is_told_in_a_few_words(reply, reason):
    assert read_reply(reply) == reason


@given(st.text(alphabet=st.sampled_from('{}[]":,\\ \nfoundanswerquotes01'), max_size=200))
def test_no_reply_raises(reply):
    assert isinstance(read_reply(reply), str | Reply)
