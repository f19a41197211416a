"""What the model's code can call, called from inside a real sandbox."""

from __future__ import annotations

import pytest
from second_stage import PUBLIC, SHOP, a_run, cell, doc, last, prompt
from services.sandboxes import need

from funnel.errors import LLMUnavailable
from funnel.inspector import Inspector
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox import open_sandbox
from indexes.errors import EmbedderFailed
from indexes.types import Access

DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
ALICE = Access.of("alice")


@pytest.fixture
def evaluate(sandbox):
    """Runs lines in one cell and gives what they submitted."""

    async def evaluated(*lines, sub=(), replies=(), **how):
        model = ScriptedLLM([cell(*lines), *replies])
        parts = ScriptedLLM(sub, name="scripted")
        async with a_run(model, sub=parts, **how) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return (draft.text if draft.value is None else draft.value), parts, bench

    return evaluated


@pytest.fixture
def mistake(sandbox):
    """Runs one expression and gives the error that the model is shown."""

    async def told(expression, **how):
        model = ScriptedLLM([cell(expression), cell("submit('x', citations=[])")])
        async with a_run(model, **how) as bench:
            await Inspector(sandbox).answer(bench.run, bench.hits())
        return last(model.requests[1])

    return told


def submitted(expression):
    return f"submit({expression}, citations=[])"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("read('refunds', 0, 9)", "We refund"),
        ("read('refunds', stop=9)", "We refund"),
        ("read('refunds', -7)", "a form."),
        ("read('refunds', 5, 2)", ""),
        ("read('refunds', 0, 10 ** 9)", SHOP[0].text),
        ("read(context[0], 0, 9)", "We refund"),
        ("read({'doc': 'refunds'}, 0, 9)", "We refund"),
        ("grep('Ada (Roth)')[0]['doc']", "roth"),
        ("[m['doc'] for m in grep('Ada Roth')]", ["roth", "leases"]),
        ("[m['doc'] for m in grep('Ada Roth', docs=['leases'])]", ["leases"]),
        ("[m['doc'] for m in grep('Ada Roth', docs='leases')]", ["leases"]),
        ("grep('Ada Roth', docs=[])", []),
        ("len(grep('ada roth'))", 0),
        ("len(grep('ada roth', ignore_case=True))", 2),
        ("grep('Heron', context=8)[0]['before']", "Project "),
        ("grep('Heron', context=0)[0]['after']", ""),
        ("[grep('Heron')[0]['start'], grep('Heron')[0]['stop']]", [21, 26]),
        ("grep('Heron. The board')[0]['text']", "Heron. The board"),
        ("[m['doc'] for m in grep(re.compile('HERON', re.IGNORECASE))]", ["roth"]),
        ("[m['doc'] for m in grep(re.compile(r'^ada\\b', re.I | re.M))]", ["roth"]),
        ("[m['doc'] for m in grep(re.compile('(?i)HERON'))]", ["roth"]),
        ("len(grep(re.compile('HERON')))", 0),
        ("search('grant', k=1)[0]['doc']", "roth"),
        ("search('grant', k=1)[0]['text'][:8]", "Ada Roth"),
        ("len(search('grant', k=2))", 2),
        ("len(search('grant', k=0))", 1),
        ("sorted(d['id'] for d in documents())", ["leases", "refunds", "roth"]),
        ("[d['id'] for d in documents(1, 1)]", ["refunds"]),
        ("documents(99)", []),
        ("sorted(context[0])", ["id", "n_chars", "text", "title"]),
        ("context[0]['text'] == read(context[0])", True),
        ("last_output()", ""),
        ("sorted(budget())", ["calls_left", "seconds_left", "tokens_left", "turns_left", "usd_left"]),
        ("[budget()['turns_left'], budget()['calls_left'], budget()['usd_left']]", [15, 98, None]),
        ("cite('refunds', 0, 10)", "[1]"),
    ],
)  # fmt: skip
async def test_a_call_gives(evaluate, expression, value):
    citations = ", citations=[]" if not expression.startswith("cite") else ""
    given, _, bench = await evaluate(f"x = {expression}", f"submit([x]{citations})", question="refund roth")
    del bench
    assert given == [value]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("read()", "missing a required argument: 'doc'. Signature: read(doc, start=0, stop=None)"),
        ("read('refunds', 'a')", "start must be an int, not str"),
        ("read('refunds', 0, 1.5)", "stop must be an int, not float"),
        ("read('nowhere')", "there is no document 'nowhere'"),
        ("read(7)", "a document is named by its id, a str, not by a int"),
        ("read(None)", "not by a NoneType"),
        ("read({'title': 'x'})", "not by a NoneType"),
        ("grep('(')", "The pattern '('"),
        ("grep('')", "pattern is empty"),
        ("grep(7)", "pattern must be a str, not int"),
        ("grep('x', context='a')", "context must be an int, not str"),
        ("grep('x', context=None)", "context must be an int, not None"),
        ("grep('x', docs=['nowhere'])", "there is no document 'nowhere'"),
        ("grep('x', docs=1.5)", "expected a list, not float"),
        ("grep('x', unknown=1)", "got an unexpected keyword argument 'unknown'"),
        ("search('')", "query is empty"),
        ("search(['a'])", "query must be a str, not list"),
        ("search('a', 'b')", "k must be an int, not str"),
        ("search('a', None)", "k must be an int, not None"),
        ("search('a', True)", "k must be an int, not bool"),
        ("documents('a')", "start must be an int, not str"),
        ("documents(limit=None)", "limit must be an int, not None"),
        ("cite('refunds')", 'cite(doc, start, stop) or cite(doc, quote="exact words")'),
        ("cite('refunds', 0)", 'cite(doc, start, stop) or cite(doc, quote="exact words")'),
        ("cite('refunds', 0, 999)", "no such span: refunds has characters 0 to "),
        ("cite('refunds', -5, 3)", "no such span"),
        ("cite('refunds', 5, 5)", "no such span"),
        ("cite('refunds', 9, 10)", "are white space"),
        ("cite('refunds', quote='We do not refund')", "'We do not refund' does not stand in refunds word"),
        ("cite('refunds', quote='')", "quote is empty"),
        ("cite('nowhere', 0, 1)", "there is no document 'nowhere'"),
        ("note('a')", "missing a required argument: 'text'"),
        ("note('', 'x')", "key is empty"),
        ("note('a', None)", "text is None; note a text, a number, a list or a dict"),
        ("note('a', [float('nan')])", "the value holds nan or inf"),
        ("note('a', ['x' * 200_001])", "a note has at most 200,000 characters"),
        ("note('a', 'x' * 200_001)", "a note has at most 200,000 characters"),
        ("note('a' * 501, 'x')", "and its key 500"),
        ("llm_query('')", "prompt is empty"),
        ("llm_query('x', 5)", "text must be a str, not int"),
        ("llm_query('x', 'y' * 400_000)", "too many for one sub-call"),
        ("llm_query('x', span=1)", "got an unexpected keyword argument 'span'"),
        ("llm_query_batched(['a', 'b'], ['c'])", "2 prompts but 1 texts"),
        ("llm_query_batched(['a'] * 501)", "at most 500 prompts a call, not 501"),
        ("llm_query_batched(['a'] * 99)", "99 prompts, but only 98 calls are left"),
        ("llm_query_batched([1])", "prompt must be a str, not int"),
        ("rlm_query('x', [])", "rlm_query needs at least one document"),
        ("rlm_query('x', ['nowhere'])", "there is no document 'nowhere'"),
        ("rlm_query('')", "question is empty"),
        ("budget(1)", "too many positional arguments"),
        ("submit()", "missing a required argument: 'answer'"),
        ("submit([float('nan')], citations=[])", "the answer holds nan or inf, which JSON lacks"),
    ],
)
async def test_a_wrong_call_is_told_as_the_mistake_of_the_code(mistake, expression, told):
    shown = await mistake(expression)
    assert told in shown
    assert "Error: RuntimeError" in shown
    assert f"line 1: {expression}" in shown


async def test_a_read_of_too_much_is_told_how_to_go_on(mistake):
    shown = await mistake("read('d')", documents=[doc("d", "x" * 200_001)])
    assert "d has 200,001 characters; read at most 200,000 a call" in shown


async def test_a_quote_that_is_too_long_is_told(mistake):
    shown = await mistake("cite('d', 0, 2_001)", documents=[doc("d", "x" * 3_000)])
    assert "a citation holds at most 2000 characters, this has 2001" in shown


async def test_an_unknown_id_is_answered_with_what_ids_look_like(mistake):
    assert "Ids are case-sensitive, like 'refunds'" in await mistake("read('Refunds')")


async def test_a_grep_with_more_matches_than_are_returned_says_so(sandbox):
    model = ScriptedLLM([cell("print(len(grep('a', context=0)))"), cell("submit('x', citations=[])")])
    async with a_run(model, documents=[doc("d", "a" * 1_234)]) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert "grep('a') found 1,234 matches; the first 200 were returned" in last(model.requests[1])


async def test_white_space_at_the_ends_of_a_cited_span_is_left_out(sandbox):
    model = ScriptedLLM([cell("submit('x ' + cite('refunds', 25, 52))")])
    async with a_run(model) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    [citation] = draft.citations
    assert (citation.start, citation.quote) == (26, "Shipping is not refunded.")


async def test_a_quote_is_found_wherever_it_stands_in_a_document_of_many_windows(sandbox):
    text = "x" * 199_990 + " The fee is\n7 crowns. " + "y" * 250_000
    model = ScriptedLLM([cell("submit('7 ' + cite('d', quote='The fee is 7 crowns.'))")])
    async with a_run(model, documents=[doc("d", text)]) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    [citation] = draft.citations
    assert (citation.start, citation.quote) == (199_991, "The fee is\n7 crowns.")


async def test_equal_spans_have_one_marker(evaluate):
    given, _, _ = await evaluate(
        "a = cite('refunds', 0, 9)", "b = cite('refunds', quote='We refund')", "c = cite('refunds', 3, 9)",
        submitted("a + b + c"),
    )  # fmt: skip
    assert given == "[1][1][2]"


async def test_the_thousandth_citation_is_told(mistake):
    shown = await mistake(
        "for i in range(1_000):\n    cite('d', i, i + 1)", documents=[doc("d", "x" * 2_000)]
    )
    assert "999 spans are cited, the most there may be" in shown


async def test_notes_last_and_the_latest_of_a_key_counts(evaluate):
    given, _, bench = await evaluate(
        "note('a', 'one')", "note('a', 'two')", "note('b', 'three')", submitted("notes()")
    )
    assert given == {"a": "two", "b": "three"}
    assert bench.data("note")[0] == {"key": "a", "text": "one"}


async def test_what_search_finds_can_be_read_and_cited_and_grepped_from_then_on(sandbox):
    lines = cell(
        "before = len(grep('grant'))", "search('grant', k=1)", "after = grep('grant')",
        "m = after[0]", "submit(str([before, len(after)]) + cite(m['doc'], m['start'], m['stop']))",
    )  # fmt: skip
    async with a_run(ScriptedLLM([lines]), question="refund") as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits(1))
    assert draft.text == "[0, 1][1]"
    assert draft.citations[0].quote == "grant"


async def test_a_search_that_stage_one_cannot_do_is_told_to_the_code(sandbox, monkeypatch):
    model = ScriptedLLM([cell("search('grant')"), cell("submit('x', citations=[])")])
    async with a_run(model) as bench:
        hits = bench.hits()

        def fails(*_args, **_kwargs):
            raise EmbedderFailed("openai:x", "it is down")

        monkeypatch.setattr(bench.source, "search", fails)
        await Inspector(sandbox).answer(bench.run, hits)
    assert "search failed: Embedder 'openai:x': it is down" in last(model.requests[1])


async def test_a_search_for_more_words_than_are_searched_for_says_so(sandbox):
    lines = "search(' '.join(f'word{i}' for i in range(5_000)) + ' grant')"
    model = ScriptedLLM([cell(lines), cell("submit('x', citations=[])")])
    async with a_run(model) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert "of its 5,001 different words the 1 most telling were searched for" in last(model.requests[1])


async def test_a_sub_call_sees_its_prompt_and_its_text_and_nothing_else(evaluate):
    given, parts, _ = await evaluate(
        submitted("llm_query('How many days?', read('refunds', 0, 25))"), sub=["14"]
    )
    assert given == "14"
    [request] = parts.requests
    assert request.purpose == "query"
    assert "How many days?" in last(request)
    assert "We refund within 14 days." in last(request)
    assert "Hill House" not in prompt(request)
    assert "How long do refunds take?" not in prompt(request)


async def test_a_failed_sub_call_raises_and_its_error_is_never_taken_for_an_answer(sandbox):
    model = ScriptedLLM([cell("x = llm_query('a')"), cell("submit('x', citations=[])")])
    async with a_run(model, sub=ScriptedLLM([DOWN], name="scripted")) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert "llm_query failed, and nothing was answered: " in last(model.requests[1])
    assert "connection refused" in last(model.requests[1])


async def test_batched_sub_calls_come_back_in_order_and_a_failed_one_is_not_ok(evaluate):
    def answer(request):
        if "bad" in last(request):
            raise DOWN
        return last(request).upper()

    given, parts, _ = await evaluate(
        submitted("[[r['ok'], r['value']] for r in llm_query_batched(['a', 'bad', 'c'])]"), sub=[answer] * 3
    )
    assert given == [[True, "A"], [False, None], [True, "C"]]
    assert parts.remaining == 0


async def test_an_empty_reply_of_a_sub_model_is_not_ok(evaluate):
    given, _, _ = await evaluate(submitted("llm_query_batched(['a'])[0]['ok']"), sub=[" \n"])
    assert given is False


async def test_the_sub_calls_of_a_batch_are_events_of_their_host_call(evaluate):
    _, _, bench = await evaluate(submitted("llm_query_batched(['a', 'b'])"), sub=["1", "2"])
    host = next(
        e.id for e in bench.seen if e.kind == "host_call" and e.data.get("name") == "llm_query_batched"
    )
    queries = [e.parent for e in bench.seen if e.data.get("purpose") == "query"]
    assert queries == [host, host]


CHILD = "answer = rlm_query('Who signed?', ['leases'])"


async def test_a_child_works_on_its_documents_and_its_markers_are_valid_above(evaluate):
    child = cell(
        "print(len(context), context[0]['id'], question)",
        "submit('Ada Roth ' + cite('leases', quote='Ada Roth signed it.'))",
    )
    given, _, bench = await evaluate(
        "own = cite('refunds', 0, 9)", CHILD, "submit(own + ' and ' + answer)", replies=[child]
    )
    assert given == "[1] and Ada Roth [2]"
    assert [t["depth"] for t in bench.data("turn", "start")] == [0, 1]
    assert [c["stdout"] for c in bench.data("cell", "end")] == ["1 leases Who signed?\n", ""]


async def test_a_child_shares_the_budget_of_the_run(evaluate):
    child = cell("print(budget()['calls_left'])", "submit('x', citations=[])")
    _, _, bench = await evaluate(
        CHILD, "print(budget()['calls_left'])", submitted("'x'"), replies=[child], limits=Limits(max_calls=10)
    )
    # One call is kept for a last extraction.
    assert [c["stdout"] for c in bench.data("cell", "end")] == ["7\n", "7\n"]
    assert bench.run.ledger.usage.model_calls == 2


async def test_the_variables_of_a_child_are_its_own(evaluate):
    child = cell("secret = 1", "submit('done', citations=[])")
    given, _, _ = await evaluate(
        CHILD, "try:", "    secret", "except NameError:", "    answer = 'unknown here'",
        submitted("answer"), replies=[child],
    )  # fmt: skip
    assert given == "unknown here"


async def test_markers_that_a_child_gave_beside_its_text_come_with_the_answer(evaluate):
    child = cell("submit(2026, citations=[cite('leases', 0, 9)])")
    given, _, _ = await evaluate(CHILD, submitted("answer"), replies=[child])
    assert given == "2026 [1]"


async def test_a_child_that_finds_nothing_says_so(evaluate):
    child = cell("submit('no such lease', found=False)")
    given, _, _ = await evaluate(CHILD, submitted("answer"), replies=[child])
    assert given == "NOT FOUND: no such lease"


async def test_a_child_that_does_not_finish_is_an_error_above(evaluate):
    given, _, _ = await evaluate(
        "try:", f"    {CHILD}", "except RuntimeError as e:", f"    {submitted('str(e)')}",
        replies=["prose"] * 4,
    )  # fmt: skip
    assert given.startswith("the recursive call ended without an answer: 4 replies in a row held no code")


async def test_a_child_of_a_run_without_calls_is_an_error_above(evaluate):
    given, _, _ = await evaluate(
        "try:", f"    {CHILD}", "except RuntimeError as e:", f"    {submitted('str(e)')}",
        limits=Limits(max_calls=1),
    )  # fmt: skip
    assert given.startswith("the recursive call could not begin: max_calls = 1 is used up")


async def test_the_deepest_level_is_told(mistake):
    assert "the deepest level is reached" in await mistake(
        "rlm_query('x', ['leases'])", limits=Limits(max_depth=0)
    )


async def test_depth_counts_from_the_root(evaluate):
    grandchild = cell(
        "try:", "    rlm_query('x', ['leases'])", "except RuntimeError as e:", f"    {submitted('str(e)')}"
    )
    child = cell("submit(rlm_query('y', ['leases']), citations=[])")
    given, _, bench = await evaluate(
        CHILD, submitted("answer"), replies=[child, grandchild], limits=Limits(max_depth=2)
    )
    assert given.startswith("the deepest level is reached")
    assert [t["depth"] for t in bench.data("turn", "start")] == [0, 1, 2]


SECRET = (
    doc("open", "The canteen opens at noon.", readers=[PUBLIC]),
    doc("mine", "Alice earns 100.", readers=["alice"]),
    doc("theirs", "Bob earns 900, says the heptagon.", readers=["bob"]),
    doc("nobodys", "The owner earns 5000, says the heptagon."),
)


async def test_what_the_asker_may_not_read_is_in_no_result_of_any_call(evaluate):
    given, _, bench = await evaluate(
        "found = [context, search('heptagon earns', k=50), grep('earns|heptagon'), documents()]",
        "for doc in ['theirs', 'nobodys']:",
        "    for look in [read, lambda d: cite(d, 0, 3), lambda d: grep('earns', docs=[d]),",
        "                 lambda d: rlm_query('x', [d])]:",
        "        try:",
        "            found.append(look(doc))",
        "        except RuntimeError as e:",
        "            found.append('refused')",
        "submit(found, citations=[])",
        documents=SECRET, access=ALICE, question="heptagon earns",
    )  # fmt: skip
    assert given[4:] == ["refused"] * 8
    assert {d["id"] for d in given[0]} == {d["id"] for d in given[3]} == {"open", "mine"}
    assert "earns 900" not in str(given)
    assert "5000" not in str(given)
    assert "Alice earns 100." in str(bench.memory._spaces)
    assert "earns 900" not in str(bench.memory._spaces)
    assert "5000" not in str(bench.memory._spaces)


async def test_the_first_prompt_neither_shows_nor_counts_what_the_asker_may_not_read(sandbox):
    model = ScriptedLLM([cell("submit('x', citations=[])")])
    async with a_run(model, documents=SECRET, access=ALICE) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    shown = last(model.requests[0])
    assert "context: 2 of 2 documents" in shown
    assert "theirs" not in shown
    assert "nobodys" not in shown


async def test_a_document_that_stage_one_should_not_have_given_is_left_out(sandbox):
    model = ScriptedLLM([cell("submit([d['id'] for d in context], citations=[])")])
    async with a_run(model, documents=SECRET, access=ALICE) as bench:
        leaked = bench.source.as_owner().search("heptagon earns", 20)
        draft = await Inspector(sandbox).answer(bench.run, leaked)
    assert sorted(draft.value) == ["mine", "open"]
    assert "heptagon" not in last(model.requests[0])


async def test_a_grep_that_finds_nothing_tells_of_other_cases_and_of_titles(mistake):
    told = await mistake("grep('MAGPIE')", documents=[doc("a", "A magpie sat there.", title="The magpie")])
    assert (
        "grep('MAGPIE') found nothing in 1 documents; 1 matches with ignore_case=True; "
        "titles that hold it: The magpie." in told
    )


async def test_what_models_use_without_importing_it_is_imported(evaluate):
    given, _, _ = await evaluate(submitted("re.findall('b+', 'abba')"))
    assert given == ["bb"]


async def test_a_cited_match_is_its_sentence(sandbox):
    model = ScriptedLLM([cell("submit('Fourteen days ' + cite(grep('14')[0]))")])
    documents = [doc("a", "We ship daily. Refunds take 14 days. Ask us.")]
    async with a_run(model, documents=documents) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert [c.quote for c in draft.citations] == ["Refunds take 14 days."]


@pytest.fixture(params=["monty", "bubblewrap"])
def engine(request):
    """The name of an engine that this machine can run."""
    need(request.param)
    return request.param


async def test_a_cell_that_takes_the_names_of_functions_is_told_and_can_still_submit(engine):
    sandbox = open_sandbox(engine)
    model = ScriptedLLM(
        [
            cell("search = 17", "submit = None", "print = 3"),
            cell("submit('found ' + search('grant')[0]['id'] + str(search_), citations=[])"),
        ]
    )
    try:
        async with a_run(model) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    finally:
        await sandbox.close()
    assert draft.text == "found roth17"
    told = last(model.requests[1])
    assert "`search` is a function here, and is one again from the next cell on" in told
    assert "what you assigned to it is in `search_`." in told
    assert "`submit` is a function here" in told


async def test_a_compiled_pattern_is_searched_with_its_flags(engine):
    sandbox = open_sandbox(engine)
    found = "grep(re.compile(r'''HERON\\.\\s\"?'? THE  # board''', re.I | re.M))"
    model = ScriptedLLM(
        [cell(f"submit([len({found}), grep(re.compile(\"ada ro'?th\", re.I))[0]['text']], citations=[])")]
    )
    try:
        async with a_run(model) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    finally:
        await sandbox.close()
    assert draft.value == [0, "Ada Roth"]
