"""The model's code finds documents and matches: all of them counted, none cut without a word."""

from __future__ import annotations

import pytest
from second_stage import a_run, cell, doc, last

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM
from indexes.types import Access

ALICE = Access.of("alice")

SHELF = [
    *(doc(f"f{n:04d}", f"Filing {n} of Ada Roth. " * (1 + n % 3), title=f"Filing {n}") for n in range(300)),
    doc("lease-1", "The lease of Hill House.\n\nThe rent is 900 a month.", title="Lease of Hill House"),
]


async def told_by(sandbox, *lines, documents=SHELF, **how):
    """Run lines in a cell, and return what the model is told after it."""
    model = ScriptedLLM([cell(*lines), cell("submit('x', citations=[])")])
    async with a_run(model, documents=documents, **how) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits(3))
    return last(model.requests[1])


async def test_a_grep_with_many_matches_shows_as_many_documents_as_it_can_and_counts_all(sandbox):
    told = await told_by(
        sandbox,
        "found = grep('Ada Roth', docs='all', context=0)",
        "print([len(found), len({m['id'] for m in found}), found[1]['id'], found[1]['n_matches']])",
    )
    assert "[200, 200, 'f0001', 2]" in told
    assert "found 600 matches in 300 of 301 documents; 200 were returned, of 200 documents" in told
    assert "The next: start=200." in told
    assert "Not among them: 100 documents, such as 'f0200' (3), 'f0203' (3), 'f0206' (3)" in told


async def test_every_match_comes_once_if_a_grep_is_called_again_from_where_it_ended(sandbox):
    told = await told_by(
        sandbox,
        "seen, at = [], 0",
        "while True:",
        "    some = grep('Ada Roth', docs='all', context=0, start=at)",
        "    if not some:",
        "        break",
        "    seen += [(m['id'], m['start']) for m in some]",
        "    at += len(some)",
        "print([at, len(set(seen))])",
    )
    assert "[600, 600]" in told


async def test_the_matches_of_one_document_go_on_from_where_the_first_ended(sandbox):
    told = await told_by(
        sandbox,
        "found = grep('a', docs=['a'], context=0, start=1200)",
        "print([len(found), found[0]['start'], found[0]['n_matches']])",
        documents=[doc("a", "a" * 1_234)],
    )
    assert "[34, 1200, 1234]" in told
    assert "found 1,234 matches; 34 were returned." in told


async def test_the_documents_that_a_remark_names_are_exposed(sandbox):
    model = ScriptedLLM([cell("grep('Ada Roth', docs='all')", "submit('x', citations=[])")])
    async with a_run(model, documents=SHELF) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits(3))
        exposed = set(bench.run.documents.view.exposed)
    assert {"f0199", "f0200", "f0227"} <= exposed
    assert "f0299" not in exposed


async def test_a_cut_list_of_documents_says_so_and_how_to_go_on(sandbox):
    told = await told_by(sandbox, "print(len(documents(limit=10)), len(documents(300)))")
    assert "10 1" in told
    assert "documents() returned 10 of 301 documents. The next: documents(start=10); by title, id or" in told
    assert "documents() returned 1 of" not in told


@pytest.mark.parametrize(
    ("call", "ids"),
    [
        ("documents(like='hill house')", ["lease-1"]),
        ("documents(like='LEASE')", ["lease-1"]),
        ("documents(like='house lease')", ["lease-1"]),
        ("documents(like='filing 7')[:3]", ["f0007", "f0070", "f0071"]),
        ("documents(like='Filing 29?')[:2]", ["f0290", "f0291"]),
        ("documents(like='*house')", ["lease-1"]),
        ("documents(like='f0123')", ["f0123"]),
        ("documents(like='filing', limit=2, start=1)", ["f0001", "f0002"]),
        ("documents(like='nowhere')", []),
    ],
)
async def test_documents_are_found_by_what_they_are_called(sandbox, call, ids):
    told = await told_by(sandbox, f"print([d['id'] for d in {call}] == {ids})")
    assert "True" in told


async def test_a_list_of_documents_like_something_says_how_many_there_are(sandbox):
    told = await told_by(sandbox, "documents(like='filing', limit=2)", "documents(like='nowhere')")
    assert "documents() returned 2 of 300 documents. The next: documents(start=2, like='filing')." in told
    assert "documents(like='nowhere'): none of 301 has that" in told


async def test_a_search_in_some_documents_finds_their_passages_only(sandbox):
    told = await told_by(
        sandbox,
        "found = search('rent a month', 3, docs=['lease-1', 'f0001'])",
        "print([(h['id'], h['title'], h['text']) for h in found], cite(found[0]))",
        "print([h['id'] for h in search('Ada Roth', docs='f0002')][:1], search('Ada Roth', docs=[]))",
    )
    assert "[('lease-1', 'Lease of Hill House', 'The rent is 900 a month.')] [1]" in told
    assert "['f0002'] []" in told


async def test_a_title_that_one_document_has_stands_for_its_id(sandbox):
    told = await told_by(
        sandbox,
        "print(read('Lease of  hill house', 0, 9), cite('Lease of Hill House', 0, 9))",
        "print([m['id'] for m in grep('rent', docs='Lease of Hill House')])",
    )
    assert "The lease [1]" in told
    assert "['lease-1']" in told


async def test_a_title_that_is_not_quite_right_is_answered_with_the_id(sandbox):
    told = await told_by(sandbox, "read('The Hill House lease')", documents=SHELF)
    assert (
        "there is no document 'The Hill House lease'. Ids are case-sensitive, like 'lease-1' (Lease of"
        in told
    )


async def test_a_title_of_several_documents_is_answered_with_their_ids(sandbox):
    documents = [doc("a", "x", title="Report"), doc("b", "y", title="Report")]
    told = await told_by(sandbox, "read('report')", documents=documents)
    assert "2 documents are called 'report': pass the id of one. Ids are case-sensitive, like 'a' (R" in told


async def test_a_title_that_the_asker_may_not_read_stands_for_nothing(sandbox):
    documents = [doc("mine", "x", readers=["alice"]), doc("theirs", "y", title="The plan", readers=["bob"])]
    told = await told_by(sandbox, "read('The plan')", documents=documents, access=ALICE)
    assert "there is no document 'The plan'. Ids are case-sensitive, like 'mine'" in told
    assert "theirs" not in told


async def test_a_grep_that_finds_nothing_says_how_much_it_searched(sandbox):
    told = await told_by(sandbox, "grep('nowhere', ignore_case=True, docs='all')", documents=SHELF[:2])
    assert "grep('nowhere') found nothing in 2 documents. Searched: 66 characters." in told


async def test_coverage_counts_matches_that_were_not_returned_and_documents_named_by_title(sandbox):
    none = "submit('No other letter was found.', citations=[])"
    model = ScriptedLLM([cell("grep('a', docs='Letters')", none), cell(none)])
    async with a_run(model, documents=[doc("a", "a" * 1_234, title="Letters")]) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    (seen,) = draft.coverage
    assert (seen.document_id, seen.searched, seen.matched) == ("a", 1, 1_234)
