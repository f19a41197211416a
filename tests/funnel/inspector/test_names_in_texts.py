"""Every call of a tool that a text shows, to a model or to a person, is one that the tool accepts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import funnel
from funnel.inspector.tools.registry import TOOLS, described
from funnel.prompts import render
from funnel.prompts.addenda import shipped
from funnel.tools import RunTools

ROOT = Path(funnel.__file__).parents[1]
FENCED = re.compile(r"^```(?:python|py)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
CALL = re.compile(rf"(?<![\w.])(?<!def )({'|'.join(TOOLS)})\(")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted((ROOT / "funnel").rglob("*.py"))
PROMPTS = sorted(path.stem for path in (ROOT / "funnel" / "prompts").glob("*.md"))


def calls(text):
    """The calls of tools in a text that have arguments and are Python."""
    for found in CALL.finditer(text):
        depth = 0
        for at in range(found.end() - 1, len(text)):
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            if depth == 0:
                break
        try:
            call = ast.parse(text[found.start() : at + 1], mode="eval").body
        except SyntaxError:
            continue
        if isinstance(call, ast.Call) and (call.args or call.keywords):
            yield found[1], call


def complaint(name, call):
    """Why the tool would not accept the call; None if it would."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return None
    try:
        TOOLS[name].signature.bind(*call.args, **{each.arg: each.value for each in call.keywords})
    except TypeError as error:
        return f"{ast.unparse(call)}: {error}"
    return None


def renamed(name, call):
    """The bare names in a call that are not the names of the parameters in their places."""
    parameters = list(TOOLS[name].signature.parameters)
    return [
        f"{ast.unparse(call)}: {each.id} is {parameter}"
        for parameter, each in zip(parameters, call.args, strict=False)
        if isinstance(each, ast.Name) and each.id != parameter
    ]


def wrong(text):
    return [said for name, call in calls(text) if (said := complaint(name, call))]


def values_of(name):
    text = (ROOT / "funnel" / "prompts" / f"{name}.md").read_text("utf-8")
    given = dict.fromkeys(re.findall(r"\$(\w+)", text), "")
    return given | ({"tools": described(RunTools())} if "tools" in given else {})


def strings(source):
    """All texts in a source file, docstrings and messages; what a formatted text leaves open is a number."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (str(p.value) if isinstance(p, ast.Constant) else "0" for p in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_shows_only_calls_that_are_accepted(name):
    assert wrong(render(name, **values_of(name))) == []


@pytest.mark.parametrize("name", TOOLS)
def test_the_description_of_a_tool_calls_its_parameters_by_their_names(name):
    shown = list(calls(TOOLS[name].prompt))
    assert [said for tool, call in shown for said in renamed(tool, call)] == []
    assert [said for tool, call in shown if (said := complaint(tool, call))] == []


@pytest.mark.parametrize("name", TOOLS)
def test_the_defaults_in_the_description_of_a_tool_are_its_own(name):
    [(_, call), *_] = [*calls(TOOLS[name].prompt), (name, ast.Call(ast.Name(name), [], []))]
    parameters = TOOLS[name].signature.parameters
    for each in call.keywords:
        assert parameters[each.arg].default == ast.literal_eval(each.value)


def test_an_addendum_shows_only_calls_that_are_accepted():
    assert [said for each in shipped().addenda for said in wrong(each.text)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_shows_only_calls_that_are_accepted(path):
    text = path.read_text("utf-8")
    assert wrong(text) == []
    prose = FENCED.sub("", text)
    assert [said for name, call in calls(prose) for said in renamed(name, call)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_message_or_docstring_shows_only_calls_that_are_accepted(path):
    assert [said for text in strings(path.read_text("utf-8")) for said in wrong(text)] == []


@pytest.mark.parametrize(
    ("text", "n_wrong"),
    [
        ("`rlm_query(question, docs=[a])`", 1),
        ("rlm_query(question, documents=[a])", 0),
        ("so: grep('x', docs='all', ignorecase=True)", 1),
        ("cite(doc, 1, 2, 'x', 5)", 1),
        ("file.read(1, 2, 3, 4, 5) and read() them", 0),
    ],
)
def test_what_is_looked_for_is_found(text, n_wrong):
    assert len(wrong(text)) == n_wrong


def test_a_name_that_is_not_the_parameters_is_found():
    [(name, call)] = calls("`rlm_query(question, docs)`")
    assert renamed(name, call) == ["rlm_query(question, docs): docs is documents"]
