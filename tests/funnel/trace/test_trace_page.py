"""A trace as one page: self-contained, inert, each text once. How it works in a browser: test_in_browser."""

from __future__ import annotations

import json
import re
import stat
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

import pytest
from traced import CODE, PROMPT, QUESTION, write_trace

from funnel.inspector.tools.registry import TOOLS
from funnel.trace.folding import unfold
from funnel.trace.page import render_page, write_page
from funnel.trace.reading import Node, read_trace

HOSTILE = (
    "</script><script>alert(1)</script><!--<script>]]>&lt;img src=x onerror=alert(2)>{{data}}\u202e\x00\ud800"
)


@pytest.fixture
def page(tmp_path):
    write_trace(tmp_path / "t.jsonl")
    return render_page(read_trace(tmp_path / "t.jsonl"), name="t")


def block(page):
    """The JSON of the page."""
    [shown] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(shown)


def test_every_node_is_there_after_its_parent(tmp_path, page):
    def walk(node, parent=None):
        yield [node.id, parent, node.kind, node.at_s, node.wall_s, node.ended, node.data]
        for child in node.children:
            yield from walk(child, node.id)

    held = block(page)
    nodes = [[*node[:6], unfold(node[6], held["texts"])] for node in held["nodes"]]
    assert nodes == list(walk(read_trace(tmp_path / "t.jsonl")))


def test_a_text_of_many_calls_stands_in_the_page_once(page):
    assert page.count(PROMPT) == 1


def test_the_page_refers_to_nothing_outside_it(page):
    without_data = page.replace(json.dumps(block(page)), "")
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', without_data) == []
    assert re.findall(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML|eval\(", without_data) == []
    assert set(re.findall(r"https?://[^\s\"']+", without_data)) == {"http://www.w3.org/2000/svg"}


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(page):
    def hashed(tag):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"

    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy == (
        f"default-src 'none'; style-src {hashed('style')}; script-src {hashed('script')}; "
        "base-uri 'none'; form-action 'none'"
    )


def test_hostile_text_cannot_leave_the_block_of_data(tmp_path, page):
    write_trace(tmp_path / "h.jsonl", text=HOSTILE)
    hostile = render_page(read_trace(tmp_path / "h.jsonl"), name=HOSTILE)
    assert [hostile.count(tag) for tag in ("<script", "</script", "<!--", "<img")] == [
        page.count(tag) for tag in ("<script", "</script", "<!--", "<img")
    ]
    assert block(hostile)["nodes"][0][6]["question"] == HOSTILE


def test_a_lone_surrogate_is_written_so_that_it_reads_back(tmp_path):
    root = Node(1, "run", 0.0, {"question": "\ud800!"}, ended=True, wall_s=1.0)
    write_page(root, tmp_path / "p.html", name="t")
    assert block((tmp_path / "p.html").read_text())["nodes"][0][6]["question"] == "\ud800!"


def test_numbers_that_json_lacks_are_shown_as_text():
    data = {"value": [float("nan"), {"a": float("inf")}, 1.5]}
    page = render_page(Node(1, "run", 0.0, data, ended=True), name="t")
    assert block(page)["nodes"][0][6] == {"value": ["nan", {"a": "inf"}, 1.5]}


def test_a_tree_of_any_depth_is_drawn():
    root = node = Node(0, "run", 0.0, {}, ended=True, wall_s=1.0)
    for number in range(1, 5_000):
        node.children.append(node := Node(number, "turn", 0.0, {}, ended=True, wall_s=1.0))
    assert len(block(render_page(root, name="t"))["nodes"]) == 5_000


def test_only_its_owner_may_read_a_page(tmp_path):
    write_page(Node(1, "run", 0.0, {}, ended=True), tmp_path / "p.html", name="t")
    assert stat.S_IMODE((tmp_path / "p.html").stat().st_mode) == 0o600


def test_the_trace_of_a_killed_run_makes_a_page(tmp_path):
    write_trace(tmp_path / "k.jsonl", finished=False)
    held = block(render_page(read_trace(tmp_path / "k.jsonl"), name="k"))
    assert [node[5] for node in held["nodes"][:3]] == [False, True, True]
    assert {held["nodes"][0][6]["question"], CODE} == {QUESTION, CODE}


def test_the_page_colours_every_function_that_the_models_code_may_call():
    script = files("funnel.trace.page").joinpath("detail.js").read_text("utf-8")
    [declared] = re.findall(r"const HOST_FUNCTIONS = (.*?);", script, re.DOTALL)
    assert set(" ".join(re.findall(r'"([^"]*)"', declared)).split()) == set(TOOLS)


def test_no_two_scripts_of_the_page_declare_the_same_name():
    declared = re.compile(r"^(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    page = files("funnel.trace.page")
    scripts = [each.read_text("utf-8") for each in page.iterdir() if each.name.endswith(".js")]
    names = [name for script in scripts for name in declared.findall(script)]
    assert len(scripts) > 1
    assert sorted(names) == sorted(set(names))
