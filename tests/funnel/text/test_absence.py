"""Statements that something is absent, or that what is named is all there is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from funnel.text.absence import Wording
from funnel.text.citations import uncited

SENTENCES = tomllib.loads(Path(__file__).with_name("absence_sentences.toml").read_text(encoding="utf-8"))


def flagged(kind):
    """The sentences of the held-out halves, each with whether it is taken for an absence."""
    held = [(language, text) for language, of in SENTENCES.items() for text in of[kind][len(of[kind]) // 2 :]]
    return [(language, text, Wording.of(text).claims_absence(text)) for language, text in held]


def test_of_held_out_absences_nearly_all_are_found():
    found = flagged("claims")
    assert sum(hit for *_, hit in found) >= 0.95 * len(found), [each for each in found if not each[2]]


def test_of_held_out_other_statements_hardly_any_is_taken_for_one():
    found = flagged("others")
    assert sum(hit for *_, hit in found) <= 0.05 * len(found), [each for each in found if each[2]]


@pytest.mark.parametrize("language", SENTENCES)
def test_each_language_has_sentences_of_both_kinds(language):
    assert min(len(SENTENCES[language][kind]) for kind in ("claims", "others")) >= 6


def test_what_a_statement_quotes_is_not_its_own_claim():
    assert not Wording.of("It says “there is no cap”.").claims_absence("It says “there is no cap”.")


@pytest.mark.parametrize("answer", ["No.", "**None**", "Nein", "没有", "No [1]."])
def test_a_bare_no_is_an_absence(answer):
    assert Wording.of(answer).is_whole(answer)


@pytest.mark.parametrize(
    ("question", "all_of"),
    [
        ("How many leases end in 2026?", True), ("Which contracts cap liability?", True),
        ("Wie viele Verträge enden 2026?", True), ("Combien de baux ?", True), ("有多少份合同？", True),
        ("When does the lease end?", False), ("Which lease ends in May?", False),
        ("Wann endet der Vertrag?", False),
    ],
)  # fmt: skip
def test_a_question_for_all_is_known_by_its_words(question, all_of):
    assert Wording.of(question).asks_for_all(question) is all_of


def test_the_sentence_that_says_what_was_gone_through_needs_no_citation():
    text = "The cap is 5 crowns [1]. I went through 40 of 40 documents."
    assert uncited(text) == uncited(text, documents=40) == ()


def test_but_it_does_if_there_were_fewer():
    text = "The cap is 5 crowns [1]. I went through 40 of 40 documents."
    assert [(span.text, span.absent) for span in uncited(text, documents=12)] == [
        ("I went through 40 of 40 documents.", True)
    ]


def test_what_else_such_a_sentence_says_is_still_said():
    said = "I went through 40 of 40 documents, and none names a cap."
    assert [span.absent for span in uncited(said, documents=40)] == [True]


def test_citations_beside_a_text_without_markers_are_behind_all_of_it_but_absences():
    text = "The fee is 7 crowns. It is due in May. No other fee is named."
    assert [span.text for span in uncited(text, placed=True)] == ["No other fee is named."]


def test_citations_beside_a_text_with_markers_are_not_behind_what_has_none():
    text = "The fee is 7 crowns [1]. It is due in May."
    assert [span.text for span in uncited(text, placed=True)] == ["It is due in May."]


def test_a_number_without_a_marker_claims_to_be_all_if_that_was_asked():
    [span] = uncited("There are 12.", question="How many leases end in 2026?")
    assert span.absent
