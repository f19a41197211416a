"""Models trained on the RLM authors' prompt end their work as they were trained to, and it is checked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, last

from funnel.inspector import Inspector
from funnel.inspector.canonical import translated
from funnel.inspector.replies import Code, parse
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts.addenda import shipped

TRAINED = "mit-oasys/rlm-qwen3-30b-a3b-v0.1"
CITED = "cite('refunds', quote='within 14 days')"


def code(reply):
    found = parse(translated(reply), tools=["submit", "cite", "print"])
    assert isinstance(found, Code)
    return found.source.strip()


@pytest.mark.parametrize(
    ("reply", "runs"),
    [
        ('FINAL("14 days [1]")', "submit('14 days [1]')"),
        ("I know it now.\n\nFINAL(It takes 14 days [1].)", "submit('It takes 14 days [1].')"),
        ("**FINAL(14 (fourteen) days)**", "submit('14 (fourteen) days')"),
        ("FINAL(one\ntwo)", "submit('one\\ntwo')"),
        ("FINAL_VAR(found)", "submit(found)"),
        ('Done: see below.\nFINAL_VAR("found")', "submit(found)"),
        ("FINAL_VAR(not a name)", "submit('not a name')"),
        ("```repl\nx = 1\n```\nFINAL_VAR(x)", "x = 1\nsubmit(x)"),
        ("```repl\nx = 'a'\nFINAL_VAR('x')\n```", "x = 'a'\nsubmit(x)"),
        ('```repl\nFINAL(f"{x} days")\n```', 'submit(f"{x} days")'),
        (
            '```repl\nanswer["content"] = x\nanswer["ready"] = True\n```',
            'answer["content"] = x\nsubmit(answer["content"])',
        ),
        ("```repl\nprint(1)\n```\nThen I will call FINAL(...) with it.", "print(1)"),
        ("```repl\ndef FINAL(x): print(x)\nFINAL(1)\n```", "def FINAL(x): print(x)\nFINAL(1)"),
    ],
)
def test_what_ends_their_work_is_a_call_of_submit(reply, runs):
    assert code(reply) == runs


async def asked(sandbox, *replies, name=TRAINED, form="full"):
    model = ScriptedLLM(replies, name=name)
    async with a_run(model, prices={name: (0.0, 0.0), "sub": (0.0, 0.0)}) as bench:
        run = replace(bench.run, form=form)
        return await Inspector(sandbox).answer(run, bench.hits()), model.requests


@pytest.mark.parametrize(
    "ending",
    [
        "```\nFINAL_VAR(said)",
        "FINAL_VAR('said')\n```",
        "FINAL(said)\n```",
        "answer['content'] = said\nanswer['ready'] = True\n```",
    ],
)
async def test_such_a_model_ends_its_work_in_the_ways_that_it_was_trained_for(sandbox, ending):
    draft, requests = await asked(sandbox, f"```repl\nsaid = '14 days ' + {CITED}\n{ending}")
    assert (draft.status, draft.text, len(requests)) == ("complete", "14 days [1]", 1)
    assert draft.citations[0].quote == "within 14 days"


async def test_its_final_text_must_hold_markers_like_any_other(sandbox):
    draft, requests = await asked(
        sandbox, "FINAL(14 days)", f"```repl\nm = {CITED}\nFINAL('14 days ' + m)\n```"
    )
    assert "the answer cites nothing" in last(requests[1])
    assert draft.text == "14 days [1]"


async def test_such_a_model_gets_the_full_form_however_small_it_is(sandbox):
    done = f"```repl\nFINAL('14 days ' + {CITED})\n```"
    _, trained = await asked(sandbox, done, name="rlm-qwen3-8b", form="simple")
    _, other = await asked(sandbox, done.replace("FINAL", "submit"), name="qwen3:4b", form="simple")
    told = [requests[0].messages[0].content for requests in (trained, other)]
    assert ["rlm_query_batched(questions, documents)" in each for each in told] == [True, False]


async def test_a_model_that_was_not_trained_so_is_told_that_prose_is_no_answer(sandbox):
    done = "```python\nsubmit('14 days', found=False)\n```"
    _, requests = await asked(sandbox, 'FINAL("14 days")', done, name="gpt-6.1-sol")
    assert "submit(...)" in last(requests[1])


@pytest.mark.parametrize(
    ("model", "trained"),
    [
        (TRAINED, True),
        ("rlm-qwen3-8b", True),
        ("omar81939/rlm-qwen35-35b-a3b", True),
        ("Qwen/Qwen3-8B", False),
        ("gpt-6.1-sol", False),
    ],
)
def test_such_models_are_known_by_their_names(model, trained):
    assert shipped().is_canonical(model) is trained
    told = shipped().render_for(model, "inspector", tools="t", dialect="d")
    assert ("FINAL_VAR" in told) is trained
