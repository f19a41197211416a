"""Whatever a model puts its code in, the code is found; what is not code is never run."""

from __future__ import annotations

import ast

import pytest
from second_stage import a_run, cell, last

from funnel.inspector import Inspector
from funnel.inspector.replies import INVENTED, Code, Malformed, parse
from funnel.llm.scripted import ScriptedLLM

TOOLS = frozenset({"search", "read", "grep", "submit", "cite"})
LOOK = "hits = search('x')\nprint(hits)\n"


@pytest.mark.parametrize(
    "reply",
    [
        "```ipython\n{}```",
        "```tool_code\n{}```",
        "```{{python}}\n{}```",
        "```Python3\n{}```",
        "~~~python\n{}~~~",
        "~~~\n{}~~~",
        "````python\n{}````",
        "1. First:\n   ```python\n{}   ```",
        "```python\n{}``` and this shows the hits",
        "```python\n{}```text after the fence\nand more",
        "```python\n{}",
        "```python\n{}\nThis shows the hits.",
        "```text\nA plan.\n```\n```python\n{}```\n```\nhits\n```",
        "```\n{}```\n```bash\nls\n```",
        "{}",
        "I search first.\n\n{}",
        "I search first.\n\n{}\nThen I shall know more.",
        "# Plan\nI search first.\n{}",
        "<code>\n{}</code>",
        "<python>\n{}</python>",
        "<tool_code>\n{}</tool_code> Done.",
        "<|python_tag|>{}<|eom_id|>",
        "[PYTHON]\n{}[/PYTHON]",
    ],
)
def test_code_is_found_in_any_wrap(reply):
    assert parse(reply.format(LOOK), tools=TOOLS) == Code(LOOK)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("```python\nx = 1\n```\nThen:\n```python\nprint(x)\n```", "x = 1\nprint(x)\n"),
        ("```python\nx = 1\n```python\nprint(x)\n```", "x = 1\nprint(x)\n"),
        ("```\nx = 1\n```\n```\nprint(x)\n```", "x = 1\nprint(x)\n"),
        ("```python\nx = 1```", "x = 1\n"),
        ("```python print(1)```", "print(1)\n"),
        ("```python\ns = '''\n```\na\n```\n'''\nprint(s)\n```", "s = '''\n```\na\n```\n'''\nprint(s)\n"),
        ("```python\n>>> x = search('a')\n>>> print(x)\n['a']\n```", "x = search('a')\nprint(x)\n"),
        ('{"code": "print(search(1))"}', "print(search(1))"),
        ('```json\n{"thought": "I look", "code": "print(search(1))"}\n```', "print(search(1))"),
        (
            '<tool_call>\n{"name": "python", "arguments": {"code": "print(1)"}}\n</tool_call>',
            "print(1)\n",
        ),
        (
            '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>',
            "print(search(query='x'))\n",
        ),
        ('{"name": "submit", "arguments": "{\\"answer\\": \\"4\\"}"}', "submit(answer='4')"),
    ],
)
def test_each_form_gives_the_code_that_was_meant(reply, code):
    assert parse(reply, tools=TOOLS) == Code(code)


@pytest.mark.parametrize(
    "between",
    [
        "Output:\n```\n['the lease']\n```\nSo:\n",
        "The output is:\n['the lease']\n",
        "```output\n['the lease']\n```\n",
        "**Result:**\n",
        "This prints the lease.\n",
    ],
)
def test_what_rests_on_output_that_the_model_made_up_is_not_run(between):
    reply = f"```python\n{LOOK}```\n{between}```python\nsubmit('the lease')\n```"
    assert parse(reply, tools=TOOLS) == Code(LOOK, INVENTED)


@pytest.mark.parametrize(
    "made_up", ["```python\n['the lease']\n```", "```\n['the lease']\n```", "Output: ['the lease']"]
)
def test_output_that_the_model_made_up_is_never_code(made_up):
    assert parse(f"```python\n{LOOK}```\n{made_up}", tools=TOOLS) == Code(LOOK)
    assert parse(f"{LOOK}{made_up}", tools=TOOLS) == Code(LOOK)


@pytest.mark.parametrize(
    "reply",
    [
        "Yes",
        "4",
        "Answer: Paris",
        "Paris, France",
        "['Paris']",
        "revenue = 40",
        "revenue = 40\ncosts = 30",
        "The lease ends in May (print it).",
        "Output: print('x')",
        "```\n['Paris']\n```",
        "```\nParis\n```",
        "```bash\npip install x\n```",
        "```js\nprint(1)\n```",
        '{"answer": "Paris"}',
        "<question 123>\nWho?\n</question 123>",
        "x" * 100_001,
    ],
)
def test_what_is_not_code_is_not_run(reply):
    assert isinstance(parse(reply, tools=TOOLS), Malformed)


@pytest.mark.parametrize("reply", ["```python\nprint(1)\nprint(", "```python\nprint(1)", "print(1)\nprint("])
def test_code_that_was_cut_off_is_not_run(reply):
    wrong = parse(reply, cut=True, tools=TOOLS)
    assert isinstance(wrong, Malformed)
    assert wrong.kind == "cut"


async def test_the_model_is_told_that_its_made_up_output_is_none(sandbox):
    model = ScriptedLLM(
        [cell("print(6 * 7)") + "\nOutput:\n41\n" + cell("submit('41')"), cell("submit(42, citations=[])")]
    )
    async with a_run(model) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert INVENTED in last(model.requests[1])
    assert draft.value == 42


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ('submit("The single "There but" was a hit.")', 'The single "There but" was a hit.'),
        ("submit('It's Ada's.')", "It's Ada's."),
        ('submit("Two\nlines")', "Two\nlines"),
    ],
)
def test_an_answer_whose_quotes_stand_inside_is_submitted_as_it_was_meant(source, meant):
    code = parse(cell(source), tools=TOOLS)
    assert isinstance(code, Code)
    assert code.source == f"submit({meant!r})\n"


@pytest.mark.parametrize(
    "source",
    [
        'submit("a" + cite(hit "b")',
        'submit("a"\nsubmit("b")',
        'x = "a"\nsubmit("b"c")',
        'submit("a" "b" + "c)',
    ],
)
def test_code_that_may_mean_anything_else_is_left_as_it_is(source):
    code = parse(cell(source), tools=TOOLS)
    assert isinstance(code, Code)
    assert code.source.strip() == source


def test_words_in_a_block_are_offered_as_the_answer():
    wrong = parse(cell("Marcus Tell"), tools=TOOLS)
    assert isinstance(wrong, Malformed)
    assert wrong.answer == "Marcus Tell"


@pytest.mark.parametrize(
    "reply",
    [
        'for m in grep("necklace", docs="all")[:20]: print(m["id"], m["line"])',
        'Look:\nfor m in grep("a")[:20]: print(m["id"])\n',
        '```python\n> for m in grep("a"):\n>     print(m["id"])\n```',
    ],
)
def test_a_loop_on_one_line_and_code_that_is_quoted_are_code(reply):
    code = parse(reply, tools=TOOLS)
    assert isinstance(code, Code)
    assert code.source.startswith("for m in grep(")
    ast.parse(code.source)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('I have found it. FINAL("14 days")', "14 days"),
        ("FINAL(14 days).", "14 days"),
        ("14 days", "14 days"),
    ],
)
def test_an_answer_in_the_words_of_another_program_is_offered_as_it_was_meant(reply, answer):
    wrong = parse(reply, tools=TOOLS)
    assert isinstance(wrong, Malformed)
    assert wrong.answer == answer
