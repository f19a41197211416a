"""What sub-models said of lines and passages, and what a run noted, is a table for the next run."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from second_stage import FREE, cell, doc, prompt

from funnel.asker import Asker
from funnel.findings.tables import MIN_ROWS
from funnel.journal import housekeeping
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.prompts import fenced
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments

WHERE = ("Where is the town of Ash no. {}?", "LOC")
WHO = ("Who ruled  Ash in {}?", "HUM")
LINES = [(WHERE if n % 3 else WHO)[0].format(n + 1) for n in range(40)]
LABELS = [(WHERE if n % 3 else WHO)[1] for n in range(40)]
N_PLACES = LABELS.count("LOC")
ASH = doc("ash", "Questions about Ash\n\n" + "\n".join(LINES) + "\n", "Ash")
DEEP = Options(mode="deep")
SCHEMA = '{"type": "array", "items": {"enum": ["LOC", "HUM"]}}'
ASKED = "Label each question with LOC or HUM."
CUT = (
    'lines = [line for line in read("ash").split("\\n")[2:] if line]',
    "parts = [lines[i:i + 10] for i in range(0, 40, 10)]",
)
DONE = 'submit("Counted.", citations=[])'
FIRST = "How many of the questions about Ash ask for a place?"
SECOND = "Which label is the more frequent of the questions about Ash?"


def labels(request):
    """The labels of the lines that are asked about, as a sub-model gives them."""
    asked = prompt(request)
    said = [
        "LOC" if found.startswith("Where") else "HUM" for found in re.findall(r"(?:Where|Who) [^?]*\?", asked)
    ]
    if "array" not in asked:
        return said[0] if len(said) == 1 else "\n".join(f"{n}. {label}" for n, label in enumerate(said, 1))
    return json.dumps(said)


@asynccontextmanager
async def a_funnel(tmp_path, memory, documents, root, sub):
    leads, parts = ScriptedLLM(root), ScriptedLLM(sub, name="sub")
    funnel = Funnel(
        RawDocuments(documents).as_owner(),
        models=Models(leads, parts, prices={**FREE, "sub": (0.0, 0.0)}),
        memory=memory,
        sandbox=MontySandbox(max_processes=8),
        trace_dir=tmp_path,
        router=Router(),
    )
    try:
        yield funnel, leads, parts
    finally:
        await funnel._sandbox.close()


@pytest.fixture
async def memory():
    opened = InMemory()
    yield opened
    await opened.close()


@pytest.fixture
def ask(tmp_path, memory):
    """One question to a new funnel over the same memory: the answer, and what the root was told."""

    async def asked(*root, documents=(ASH,), sub=(labels,) * 50, question=FIRST, options=DEEP):
        async with a_funnel(tmp_path, memory, documents, root, sub) as (funnel, leads, _):
            return await funnel.ask(question, options), leads.requests

    return asked


async def recalled(ask, query="label question", **how):
    answer, _ = await ask(cell(f"submit(recall({query!r}, k=50), citations=[])"), question=SECOND, **how)
    return answer.value if answer.value is not None else []


async def tables(ask, **how):
    return [found for found in await recalled(ask, **how) if found["kind"] == "table"]


def told(requests):
    return [text for _, text in fenced("known", prompt(requests[0]))]


NUMBERED = "['\\n'.join(f'{i + 1}. {l}' for i, l in enumerate(p)) for p in parts]"
JOINED = "['\\n'.join(p) for p in parts]"
INSIDE = '{"type": "object", "properties": {"labels": ' + SCHEMA + '}, "required": ["labels"]}'
PROGRAMS = {
    "numbered lines": f"llm_query_batched({ASKED!r}, {NUMBERED}, {SCHEMA})",
    "joined lines": f"llm_query_batched({ASKED!r}, {JOINED}, {SCHEMA})",
    "tidied lines": f"llm_query_batched({ASKED!r}, [' '.join(p.split(' ')) for p in {JOINED}], {SCHEMA})",
    "lists of lines": f"[llm_query({ASKED!r}, p, {SCHEMA}) for p in parts]",
    "a line a call": f"llm_query_batched({ASKED!r}, lines)",
    "lines inside prompts": f"llm_query_batched([f'{ASKED} The text: {{l}}\\nThe label:' for l in lines])",
    "prompts of their own": f"llm_query_batched([f'{{i}}: {ASKED}' for i in range(4)], {JOINED}, {SCHEMA})",
    "words for a reply": f"llm_query_batched({ASKED!r}, {NUMBERED})",
    "an object around the list": f"llm_query_batched({ASKED!r}, {JOINED}, {INSIDE})",
    "lists inside prompts": f"[llm_query(f'{ASKED} {{json.dumps(p)}}', schema={SCHEMA}) for p in parts]",
    "lists written out": f"llm_query_batched({ASKED!r}, [json.dumps(p) for p in parts], {SCHEMA})",
    "lists as python writes them": f"llm_query_batched([f'{ASKED} {{p}}' for p in parts], schema={SCHEMA})",
    "lines below a prompt": f"[llm_query({ASKED!r} + '\\n' + '\\n'.join(p), schema={SCHEMA}) for p in parts]",
    "matches": f"llm_query_batched({ASKED!r}, [m['line'] for m in grep(r'(?m)^Wh.*', ['ash'], 0)])",
}


# what is kept


@pytest.mark.parametrize("program", PROGRAMS)
async def test_labels_of_lines_are_a_table_however_the_program_cut_them_out(ask, program):
    await ask(cell(*CUT, PROGRAMS[program], DONE))
    [table] = await tables(ask)
    assert [row["value"] for row in table["rows"]] == LABELS
    assert [row["text"] for row in table["rows"]] == LINES
    assert all(ASH.text[row["start"] : row["stop"]] == row["text"] for row in table["rows"])
    assert table["text"] == f"40 rows: LOC {N_PLACES}, HUM {40 - N_PLACES}"


LABELLED = cell(*CUT, PROGRAMS["numbered lines"], DONE)


async def test_a_few_lines_are_findings_by_themselves_with_their_values(ask):
    few = cell(*CUT, f"llm_query({ASKED!r}, lines[: {MIN_ROWS - 1}], {SCHEMA})", DONE)
    await ask(few)
    found = await recalled(ask)
    assert [each["kind"] for each in found] == ["sub-call"] * (MIN_ROWS - 1)
    assert sorted(each["start"] for each in found) == [ASH.text.index(line) for line in LINES[: MIN_ROWS - 1]]


async def test_what_a_batch_lost_is_added_by_the_call_that_asked_again(ask):
    twice = cell(
        *CUT,
        f"for some in (lines[:15], lines[10:40]): llm_query({ASKED!r}, some, {SCHEMA})",
        DONE,
    )
    await ask(twice)
    [table] = await tables(ask)
    assert [row["value"] for row in table["rows"]] == LABELS


async def test_a_list_that_is_as_long_as_its_text_by_chance_is_about_the_text(ask):
    names = cell(
        *CUT, "llm_query_batched('Which names occur?', ['\\n'.join(p) for p in parts[:1]], "
        "{'type': 'array', 'items': {'type': 'string'}})", DONE,
    )  # fmt: skip
    await ask(names, sub=[json.dumps([f"name {n}" for n in range(10)])])
    [found] = await recalled(ask, query="names occur")
    assert (found["start"], found["stop"]) == (ASH.text.index(LINES[0]), ASH.text.index(LINES[10]) - 1)
    assert found["value"] == [f"name {n}" for n in range(10)]


@pytest.mark.parametrize(
    "texts", ["['a line that the code made up ' + l for l in lines]", "['\\n'.join(lines[::2])] * 9"]
)
async def test_what_stands_nowhere_and_what_was_picked_out_is_not_kept(ask, texts):
    await ask(cell(*CUT, f"llm_query_batched('What is it about?', {texts})", DONE), sub=["Ash"] * 40)
    assert await recalled(ask, query="what is it about Ash") == []


async def test_that_nothing_was_found_is_no_row_but_none_among_choices_is_a_label(ask):
    said = [lambda request: "none" if "Who" in prompt(request).split("<text")[-1] else "place"] * 80
    words = cell(*CUT, "llm_query_batched('Name the kind.', lines)", DONE)
    await ask(words, sub=said)
    [table] = await tables(ask, query="kind")
    assert [row["value"] for row in table["rows"]] == ["place"] * N_PLACES
    choices = "{'enum': ['place', 'none']}"
    await ask(cell(*CUT, f"llm_query_batched('Choose the sort.', lines, {choices})", DONE), sub=said)
    [table] = [table for table in await tables(ask, query="sort") if "sort" in table["asked"]]
    assert [row["value"] for row in table["rows"]].count("none") == 40 - N_PLACES


async def test_a_passage_under_a_title_of_the_program_s_own_has_its_place(ask):
    asks = cell(*CUT, "llm_query('Which town?', '# From Ash\\n' + '\\n'.join(parts[0]))", DONE)
    await ask(asks, sub=["Ash, all of them."])
    [found] = await recalled(ask, query="town")
    assert (found["start"], found["text"]) == (ASH.text.index(LINES[0]), "Ash, all of them.")
    assert found["asked"] == "Which town? # From Ash"


async def test_a_line_that_occurs_twice_is_found_twice(ask):
    twice = doc("ash", "\n".join(["Where is the town of Ash?", "Who ruled Ash then?"] * 6), "Ash")
    program = cell(f"llm_query({ASKED!r}, read('ash').split('\\n'), {SCHEMA})", DONE)
    await ask(program, documents=[twice])
    [table] = await tables(ask, documents=[twice])
    assert [row["value"] for row in table["rows"]] == ["LOC", "HUM"] * 6
    assert len({row["start"] for row in table["rows"]}) == 12


async def test_a_table_of_two_documents_is_one_for_each(ask):
    elm = doc("elm", ASH.text.replace("Ash", "Elm"), "Elm")
    program = cell(
        f"for d in ('ash', 'elm'): llm_query({ASKED!r}, read(d).split('\\n')[2:42], {SCHEMA})", DONE
    )
    await ask(program, documents=[ASH, elm])
    found = await tables(ask, documents=[ASH, elm])
    assert sorted((table["id"], len(table["rows"])) for table in found) == [("ash", 40), ("elm", 40)]


# how it is offered


async def test_the_next_question_is_told_of_the_table_and_takes_it_without_a_call(ask):
    await ask(LABELLED)
    _, requests = await ask(cell(DONE), question=SECOND)
    [known] = told(requests)
    name, _, rest = known.partition(": ")
    assert rest == f"40 rows: LOC {N_PLACES}, HUM {40 - N_PLACES} of 'Ash' (asked: {ASKED!r})"
    assert f'recall("{name}")[0] has its "rows"' in prompt(requests[0])
    take = cell(
        f"rows = recall({name!r})[0]['rows']",
        "places = [row for row in rows if row['value'] == 'LOC']",
        "submit(f'{len(places)} ' + cite(places[0]))",
    )
    answer, _ = await ask(take, question=SECOND, sub=[])
    assert answer.text == f"{N_PLACES} [1]"
    assert answer.citations[0].quote == LINES[1]


async def test_a_question_of_another_topic_is_not_told_of_it(ask):
    await ask(LABELLED)
    _, requests = await ask(cell(DONE), question="When was the bridge over the river built?")
    assert told(requests) == []


async def test_a_finding_is_on_the_topic_by_what_sets_it_apart_from_the_others(ask):
    """All findings are about Ash; only one of them is about its bridge."""
    asks = [
        f"llm_query('What of the {word} of Ash?', read('ash', 0, 100))" for word in ("mill", "bridge", "inn")
    ]
    await ask(cell(*asks, DONE), sub=["Mill of 1801", "Bridge of 1802", "Inn of 1803"])
    _, requests = await ask(cell(DONE), question="Tell me of the bridge of Ash.")
    [known] = told(requests)
    assert [line[: len("'Bridge of 1802'")] for line in known.splitlines()] == ["'Bridge of 1802'"]


async def test_a_typed_value_is_offered_as_a_value_and_not_as_text_of_one(ask):
    form = "{'type': 'object', 'properties': {'town': {'type': 'string'}}, 'required': ['town']}"
    await ask(
        cell(*CUT, f"llm_query('Which town?', read('ash'), {form})", DONE), sub=['{"town": "Ash \\"A\\""}']
    )
    _, requests = await ask(cell(DONE), question="Which town is it?")
    [known] = told(requests)
    assert known.startswith("{'town': 'Ash \"A\"'} (asked: 'Which town?'")
    [found] = await recalled(ask, query="town")
    assert found["value"] == {"town": 'Ash "A"'}


# notes


NOTED = cell(
    "read('ash')", "note('labels of the questions', {'LOC': [1, 2], 'HUM': [3]})", "note('count', 3)",
    "note('plan', 'look at Ash')", "submit(notes(), citations=[])",
)  # fmt: skip


async def test_a_note_may_be_a_value_and_comes_back_as_one(ask):
    answer, _ = await ask(NOTED)
    values = {"LOC": [1, 2], "HUM": [3]}
    assert answer.value == {"labels of the questions": values, "count": 3, "plan": "look at Ash"}


async def test_a_noted_table_is_known_to_the_next_run_without_a_citation(ask):
    await ask(NOTED)
    found = await recalled(ask, query="labels of the questions")
    assert [(each["kind"], each["asked"], each["value"]) for each in found] == [
        ("note", "labels of the questions", {"LOC": [1, 2], "HUM": [3]})
    ]
    _, requests = await ask(cell(DONE), question=SECOND)
    [known] = told(requests)
    assert re.fullmatch(r"t\w+: 2 values \(asked: 'labels of the questions'\)", known)


async def test_a_noted_table_holds_only_for_the_documents_as_they_were(ask):
    elm = doc("elm", "The town of Elm has one mill and no inn.", "Elm")
    both = cell("read('elm')", *NOTED.split("```python\n")[1].split("\n```")[0].split("\n"))
    await ask(both, documents=[ASH, elm])
    assert len(await recalled(ask, query="labels", documents=[ASH, elm])) == 1
    changed = replace(elm, text=elm.text.replace("one", "two"))
    assert await recalled(ask, query="labels", documents=[ASH, changed]) == []


# who may have it


ANN = replace(DEEP, asker=Asker.of("ann"))


@pytest.mark.parametrize("program", [LABELLED, NOTED])
async def test_who_lost_a_document_that_the_run_had_read_gets_no_table(ask, program):
    mine = replace(ASH, readers=frozenset({"ann"}))
    other = replace(doc("other", "The town of Elm.", "Elm"), readers=frozenset({"ann"}))
    lines = program.split("```python\n")[1].split("\n```")[0].split("\n")
    await ask(cell("read('other')", *lines), documents=[mine, other], options=ANN)
    assert len(await recalled(ask, query="label question", documents=[mine, other], options=ANN)) == 1
    closed = replace(other, readers=frozenset({"bob"}))
    assert await recalled(ask, query="label question", documents=[mine, closed], options=ANN) == []
    _, requests = await ask(cell(DONE), documents=[mine, closed], options=ANN, question=SECOND)
    assert told(requests) == []


@pytest.mark.parametrize("program", [LABELLED, NOTED])
async def test_another_asker_and_a_changed_document_have_no_table(ask, program):
    shared = replace(ASH, readers=frozenset({"ann", "bob"}))
    await ask(program, documents=[shared], options=ANN)
    as_bob = replace(DEEP, asker=Asker.of("bob"))
    assert await recalled(ask, query="label question", documents=[shared], options=as_bob) == []
    changed = replace(shared, text=f"{shared.text}More.")
    assert await recalled(ask, query="label question", documents=[changed], options=ANN) == []


@pytest.mark.parametrize("program", [LABELLED, NOTED])
async def test_an_erased_document_takes_its_tables_along(ask, memory, program):
    await ask(program)
    await housekeeping.erase_documents(memory, ["ash"])
    for where in await memory.namespaces():
        keys = await memory.scan(where, limit=9_999)
        held = b"".join((await memory.get_many(where, keys)).values())
        assert b"HUM" not in held
        assert b"LOC" not in held


async def test_a_table_names_the_documents_that_its_run_read_to_who_takes_it(ask, memory):
    """What a run makes of a recalled table is closed to who may not read what the table came from."""
    await ask(LABELLED)
    answer, _ = await ask(cell("rows = recall('label question', k=1)[0]['rows']", DONE), question=SECOND)
    await housekeeping.erase_documents(memory, ["ash"])
    assert not [where for where in await memory.namespaces() if where.endswith(answer.run)]


# what ends a run


async def test_a_resumed_run_keeps_the_table_that_its_earlier_life_paid_for(tmp_path, memory, ask):
    async with a_funnel(
        tmp_path,
        memory,
        [ASH],
        [cell(*CUT, PROGRAMS["numbered lines"]), RuntimeError("power cut")],
        [labels] * 4,
    ) as (funnel, _, parts):
        with pytest.raises(RuntimeError):
            await funnel.ask(FIRST, DEEP)
        assert len(parts.requests) == 4
    [run] = [where.rpartition("/")[2] for where in await memory.namespaces() if "/run/" in where]
    async with a_funnel(tmp_path, memory, [ASH], [cell(DONE)], []) as (funnel, _, parts):
        assert (await funnel.resume(run)).status == "complete"
        assert parts.requests == []
    [table] = await tables(ask)
    assert len(table["rows"]) == 40


async def test_of_a_run_that_was_cut_short_the_table_is_kept(ask):
    one_turn = replace(DEEP, limits=replace(DEEP.limits, max_turns=1))
    answer, _ = await ask(cell(*CUT, PROGRAMS["numbered lines"]), "Some are places.", options=one_turn)
    assert answer.status == "partial"
    assert len(await tables(ask)) == 1


async def test_the_last_twenty_tables_of_a_document_are_kept_with_their_rows(ask, memory):
    for n in range(22):
        word = "".join(chr(ord("a") + int(digit)) for digit in str(n))
        asks = f"llm_query_batched('{ASKED} As {word}.', {NUMBERED}, {SCHEMA})"
        await ask(cell(*CUT, asks, DONE))
    count = cell("submit([len(t['rows']) for t in recall('label question', k=50)], citations=[])")
    assert (await ask(count))[0].value == [40] * 20
    [where] = [where for where in await memory.namespaces() if "learnt" in where and "ash" in where]
    assert len(await memory.scan(where, "payload/", limit=99)) == 20
