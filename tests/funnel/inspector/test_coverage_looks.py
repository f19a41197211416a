"""When a document was searched well enough for what an answer says that it lacks."""

from __future__ import annotations

import pytest
from second_stage import a_run, cell, doc, last

from funnel.inspector import Inspector
from funnel.inspector.coverage_looks import Look, alike, pattern_words, subject_of
from funnel.llm.scripted import ScriptedLLM
from funnel.text.absence import Wording

FILLER = "".join(
    f"Clause {i} speaks of matter {i * 7} and of nothing that was asked for. " for i in range(900)
)
ACME = doc(
    "05",
    f"The fee is 7 crowns. {FILLER} Warranty lasts two years. {FILLER} Liability ends at 90 crowns.",
    "Acme Services Agreement",
)
BETA = doc("06", f"The rent is 9 crowns. {FILLER} Signed in Ohio.", "Beta Lease")
QUESTION = "What is the cap on liability in the Acme Services Agreement?"
NONE = cell("submit('No cap was found.', citations=[])")


@pytest.fixture
def asked_back(sandbox):
    """Runs an inspector over two long contracts; gives what it was told at its submission, or None."""

    async def ask(*replies, question=QUESTION):
        model = ScriptedLLM([*replies, replies[-1]])
        async with a_run(model, documents=(ACME, BETA), question=question) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        assert draft.status == "complete"
        return last(model.requests[len(replies)]) if len(model.requests) > len(replies) else None

    return ask


@pytest.mark.parametrize(
    ("look", "why"),
    [
        ("print(grep('cap', docs='05'))", "one wording"),
        ("print(grep('fee|rent|price|sum', docs='05'))", "other words"),
        ("print(grep('cap|ceiling|limit', docs='06'))", "another document"),
    ],
)
async def test_a_search_that_is_not_complete_is_asked_back(asked_back, look, why):
    assert "You have read" in (await asked_back(cell(look), NONE) or ""), why


@pytest.mark.parametrize(
    ("look", "why"),
    [
        ("print(grep('cap|ceiling|upper limit', docs='05'))", "three wordings"),
        ("print(grep('cap', docs='05'))\nprint(grep('ceiling|exceed', docs='05'))", "in two patterns"),
        ("for m in grep(r'\\bcap|liabili', docs='05', ignore_case=True): print(m['line'])", "matches shown"),
        ("for p in search('cap on liability', docs='05'): print(p['text'])", "by meaning"),
    ],
)
async def test_a_search_that_is_complete_is_accepted_at_once(asked_back, look, why):
    assert await asked_back(cell(look), NONE) is None, why


async def test_a_name_has_one_wording(asked_back):
    looked = cell("for m in grep('Nevada', docs='all'): print(m['line'])")
    none = cell("submit('The law of Nevada: none.', citations=[])")
    assert await asked_back(looked, none, question="Which contracts are signed in Nevada?") is None


async def test_of_several_names_each_must_have_been_looked_for(asked_back):
    looked = cell("for m in grep('Nevada', docs='all'): print(m['line'])")
    none = cell("submit('Signed in Nevada or Utah: none.', citations=[])")
    assert 'grep(r"utah' in (await asked_back(looked, none, question="Which are signed in Nevada or Utah?"))


async def test_that_nothing_else_is_excluded_takes_more_than_its_own_words(asked_back):
    looked = cell("for m in grep('liability', docs='05', ignore_case=True): print(m['line'])")
    only = cell("submit('The only thing that ends is liability.', citations=[])")
    assert await asked_back(looked, only) is not None


async def test_lines_that_were_counted_and_shown_need_no_second_look(asked_back):
    looked = cell("for m in grep('crowns', docs='all'): print(m['line'])")
    counted = cell("submit('2 of the 3 sums should be fees.', citations=[])")
    assert await asked_back(looked, counted, question="How many of the sums are fees?") is None


async def test_what_is_shown_is_what_matched(asked_back):
    none = cell("submit('No warranty was found.', citations=[])")
    told = await asked_back(cell("n = len(grep('Warranty|guarant|promise', docs='05'))"), none)
    assert "for m in grep('Warranty|guarant|promise', docs='05', ignore_case=True)" in told


async def test_what_the_answer_cites_is_not_what_it_says_is_lacking(asked_back):
    fee = cell("submit('One has a fee ' + cite('05', 0, 20) + '. No warranty is given anywhere else.')")
    told = await asked_back(fee, question="Which contracts give a warranty?")
    assert "characters of '06'" in told
    assert "characters of '05'" not in told


async def test_a_short_match_counts_beside_the_name_of_its_document(sandbox):
    looked = cell("for m in grep('Signed in Ohio', docs='all'): print(m['id'], m['text'])")
    model = ScriptedLLM([looked, cell("submit('It is signed ' + cite('06', quote='Signed in Ohio.'))")])
    async with a_run(model, documents=(ACME, BETA), question="Where is it signed?") as bench:
        draft = await Inspector(sandbox).answer(bench.run, [])
    beta = next(each for each in draft.coverage if each.document_id == "06")
    assert (beta.matched, beta.read) == (1, len("Signed in Ohio"))


def subject(claim, question=QUESTION, titles=("Acme Services Agreement",)):
    return subject_of(claim, question, titles, Wording.of(question, claim))


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("Under the law of Ohio, Israel or Nevada: none.", ("israel", "nevada", "ohio", "law")),
        ("No cap was found.", ("cap",)),
        ("None.", ("liability", "cap")),
        ("Two of the five do not: Acme Services and Acme Two.", ("liability", "cap")),
        ("There are 40 contracts, and none of these names a seat.", ("seat",)),
    ],
)
def test_a_claim_is_about_its_own_words_or_those_of_the_question(claim, words):
    assert subject(claim).words == words


@pytest.mark.parametrize(("share", "settled"), [(0.1, False), (0.5, True)])
def test_one_wording_is_enough_where_half_was_read(share, settled):
    assert subject("No cap was found.").is_settled([Look("cap")], [], share) is settled


def test_words_that_were_looked_for_are_not_suggested():
    assert subject("No cap was found.").untried([Look("cap|ceiling")]) == ["liability"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bescrow\w*|deposit materials", ("escrow", "deposit", "materials")),
        (r"[Ss]eat[^.]{0,80}", ("seat",)),
        (r"insur|polic(y|ies)", ("insur", "polic", "ies")),
    ],
)
def test_the_words_of_a_pattern_are_its_letters(pattern, words):
    assert pattern_words(pattern) == words


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("insurance", "insur", True), ("governing", "governed", True), ("cap", "caps", True),
        ("cap", "capital", False), ("interest", "internal", False), ("赔偿责任", "责任", True),
    ],
)  # fmt: skip
def test_forms_of_a_word_begin_alike(one, other, same):
    assert alike(one, other) is same


async def test_where_no_name_stands_nothing_else_need_be_looked_for(asked_back):
    looked = cell("for m in grep('Nevada|Utah', docs='all'): print(m['line'])")
    none = cell(
        "submit('No contract with an escrow was found under the law of Nevada or Utah.', citations=[])"
    )
    assert (
        await asked_back(looked, none, question="Is there an escrow under the law of Nevada or Utah?") is None
    )


async def test_a_list_whose_items_are_cited_is_introduced_at_will(asked_back):
    cited = "cite('05', quote='Liability ends at 90 crowns.')"
    items = f"'Every other contract ends:\\n- in 90 crowns ' + {cited}"
    assert await asked_back(cell(f"submit({items})")) is None
    bare = f"'Every other contract ends:\\n- in 90 crowns\\n- ' + {cited}"
    assert await asked_back(cell(f"submit({bare})")) is not None


async def test_a_document_is_named_by_the_beginning_of_its_title(asked_back):
    looked = cell("print(grep('cap|ceiling|upper limit', docs='05'))")
    none = cell("submit('Nothing caps the liability of Acme Services.', citations=[])")
    assert await asked_back(looked, none, question="Who caps liability?") is None
    assert await asked_back(looked, NONE, question="Who caps liability?") is not None
