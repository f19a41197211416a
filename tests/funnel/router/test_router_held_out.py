import pytest
from router_questions import (
    DEEP,
    LOOKUP,
    REQUIRED_DEEP,
    REQUIRED_LOOKUP,
    SECOND_DEEP,
    SECOND_LOOKUP,
    UNSEEN_DEEP,
    UNSEEN_LOOKUP,
)

from funnel.router import Router


@pytest.mark.parametrize("question", [*REQUIRED_LOOKUP, *LOOKUP])
def test_a_question_for_one_fact_is_looked_up(question):
    assert Router().decide(question, []).route == "lookup"


@pytest.mark.parametrize("question", [*REQUIRED_DEEP, *DEEP])
def test_a_question_over_many_places_goes_deep(question):
    assert Router().decide(question, []).route == "deep"


def test_at_least_nine_in_ten_of_the_later_questions_take_the_right_route():
    router = Router()
    cases = [(question, "lookup") for question in (*SECOND_LOOKUP, *UNSEEN_LOOKUP)]
    cases += [(question, "deep") for question in (*SECOND_DEEP, *UNSEEN_DEEP)]
    wrong = [question for question, route in cases if router.decide(question, []).route != route]
    assert len(cases) == 70
    assert len(wrong) <= 7, wrong


@pytest.mark.parametrize("restyle", [str.lower, lambda q: q.rstrip("?"), lambda q: f"  {q}\n", str.upper])
def test_capitals_question_mark_and_blanks_do_not_change_the_probability(restyle):
    router = Router()
    for question in (*REQUIRED_LOOKUP, *REQUIRED_DEEP, *LOOKUP, *DEEP):
        plain, restyled = (router.decide(text, []).probability for text in (question, restyle(question)))
        assert plain == restyled, question
