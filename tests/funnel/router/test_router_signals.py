import dataclasses
import math

import pytest
from hit_making import hits_of
from hypothesis import given
from hypothesis import strategies as st

from funnel.router.features import hit_signals, text_signals


def value(question, name):
    return text_signals(question)[name].value


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("compares", "Compare both offers"),
        ("chooses", "Who is older, Ann or Bob?"),
        ("exhaustive", "Find every leak"),
        ("which_many", "Which functions can block?"),
        ("which_many", "Which packages mention the BSD license?"),
        ("lists", "list the open tickets"),
        ("counts", "How many contracts mention a cap?"),
        ("superlative", "Which is the largest order?"),
        ("change", "How does she change?"),
        ("theme", "What themes recur?"),
        ("why", "Why did it fail?"),
        ("how_process", "How did it end?"),
        ("many_documents", "What do the transcripts say?"),
        ("discusses", "Who mentions tariffs?"),
        ("yes_no", "Is it raining?"),
        ("asks_twice", "Who left and why?"),
        ("relative", "The man who left"),
        ("role", "Where was the director of Alien born?"),
        ("single_fact", "Where is the valve?"),
    ],
)
def test_each_cue_is_heard(name, question):
    assert value(question, name) == 1
    assert value("blue paint", name) == 0


def test_the_words_found_stand_in_the_reason():
    assert text_signals("Contrast A with B")["compares"].deep == "asks to compare ('contrast')"


def test_quoted_names_are_counted():
    assert value('Is "North Sea Lease" older than "Baltic Lease"?', "things") == 2 - 1


def test_a_name_within_quotes_counts_once_whatever_it_looks_like():
    assert value('Who signed "ACME, INC_2003_EX-10.1, LEASE and ANNEX"?', "things") == 0


def test_an_enumeration_of_three_names_three_things():
    assert (
        text_signals("threading, multiprocessing and asyncio")["things"].deep == "names 3 things to look at"
    )


def test_two_alternatives_after_a_comma_are_two_things():
    assert text_signals("Which came first, the egg or the hen?")["things"].deep == "names 2 things to look at"


def test_a_date_is_no_enumeration():
    assert value("What was owed on March 31, 2024, and paid?", "things") == 0


def test_names_written_as_code_are_counted():
    assert value("os.path.join against pathlib.Path", "things") == 2 - 1


def test_in_which_at_the_start_is_no_relative_clause():
    assert value("In which city is the head office?", "relative") == 0


def test_who_is_the_director_asks_for_the_role_itself():
    assert value("Who is the director of Alien?", "role") == 0


def test_both_ends_of_a_long_question_are_read():
    assert value("pasted text " * 10_000 + "Compare them.", "compares") == 1
    assert value("Compare this: " + "pasted text " * 10_000, "compares") == 1


def test_a_cue_in_the_middle_of_a_long_paste_is_not_read():
    assert value("paste " * 1_000 + "compare " + "paste " * 1_000, "compares") == 0


@given(st.text(max_size=3_000))
def test_any_text_gives_the_same_finite_signals(text):
    signals = text_signals(text)
    assert signals.keys() == text_signals("").keys()
    assert all(math.isfinite(signal.value) and signal.value >= 0 for signal in signals.values())


def test_margin_is_the_lead_of_the_first_document_over_the_range():
    hits = hits_of((1.0, "a"), (0.4, "b"), (0.2, "c"))
    assert hit_signals("x", hits)["margin"].value == pytest.approx((1.0 - 0.4) / (1.0 - 0.2))


@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_margin_is_the_same_under_any_scale_and_shift_of_the_scores(scale, shift):
    scores = (3.0, 2.5, 1.0, 0.5)
    plain = hit_signals("x", hits_of(*[(score, "") for score in scores]))["margin"].value
    moved = hit_signals("x", hits_of(*[(score * scale + shift, "") for score in scores]))["margin"].value
    assert moved == pytest.approx(plain, abs=1e-6)


def test_two_documents_or_equal_scores_tell_no_margin():
    assert "margin" not in hit_signals("x", hits_of((1.0, "a"), (0.5, "b")))
    assert "margin" not in hit_signals("x", hits_of((1.0, "a"), (1.0, "b"), (1.0, "c")))


def test_coverage_is_the_share_of_terms_in_the_best_passage_and_scattered_what_later_ones_add():
    hits = hits_of((1.0, "the copper mine"), (0.9, "a strike at the mine in Falun"))
    signals = hit_signals("strike copper mine falun sweden", hits)
    assert signals["coverage"].value == 2 / 5
    assert signals["scattered"].value == 4 / 5 - 2 / 5


def test_the_title_of_a_document_counts_as_its_text():
    hit = hits_of((1.0, "waits until set"))[0]
    titled = dataclasses.replace(hit, document=dataclasses.replace(hit.document, title="Event"))
    assert hit_signals("event", [titled])["coverage"].value == 1 / 1


def test_no_hits_give_no_signal():
    assert hit_signals("anything", []) == {}


def test_a_question_of_stop_words_tells_no_coverage():
    assert "coverage" not in hit_signals("what is it", hits_of((1.0, "a"), (0.5, "b"), (0.1, "c")))


def test_a_document_without_passages_and_a_score_that_is_no_number_are_borne():
    bare = dataclasses.replace(hits_of((math.nan, ""))[0], passages=())
    assert hit_signals("copper", [bare])["coverage"].value == 0
