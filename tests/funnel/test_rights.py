"""Rights are given where a view of the documents is made, and nowhere else in this package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import funnel

ROOT = Path(funnel.__file__).parent
MAKE_VIEWS = {
    "run/lifecycle.py",  # of a run: the one that stage two sees, and what it may have seen at most
    "cli/collection.py",  # funnel search
    "cli/maintain.py",  # funnel erase, which the owner calls
    "cli/running.py",  # funnel ask --resume, which may resume any run
    "cli/demo.py",  # funnel demo, on documents that anybody may read
}
READ_UNRECORDED = {
    "workspace/found.py",  # whether a document is still there; the text of its pages, in documents.py
    "findings/recall.py",  # whether a stored finding still stands in its document
}
HOLD_A_WORKSPACE = {
    "run/lifecycle.py",  # opens it
    "workspace/documents.py",  # reads its pages and records what it hands out
    "workspace/found.py",  # the part of it that registers documents; hands out titles, and records them
    "workspace/notes.py",  # shows its notes alone
    "journal/housekeeping.py",  # removes what came of erased documents
    "cli/memory.py",  # funnel memory search, which the owner calls
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def takes_the_pair(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    hints = " ".join(ast.unparse(each.annotation) for each in every if each.annotation)
    names = {each.arg for each in every}
    return {"access", "where"} <= names or ("Access" in hints and "Filter" in hints) or "Scope" in hints


def test_no_function_takes_access_and_where():
    found = [
        f"{name}:{node.name}"
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and takes_the_pair(node)
    ]
    assert found == []


def test_the_check_would_find_one():
    given = ast.parse("async def look(query: str, *, access: Access, where: Filter | None) -> None: ...")
    assert takes_the_pair(given.body[0])


def modules_that_use(*attributes: str) -> set[str]:
    return {
        name
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in attributes
    }


def test_views_are_made_in_few_places():
    assert modules_that_use("for_asker", "as_owner") == MAKE_VIEWS


def test_text_is_read_without_a_record_in_few_places():
    called = {
        name
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"fresh", "quoted"}
    }
    assert called == READ_UNRECORDED


def test_no_other_part_can_read_the_pages_of_a_run():
    held = {
        name
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        and node.module == "funnel.workspace.workspace"
        and any(each.name == "Workspace" for each in node.names)
    }
    assert held == HOLD_A_WORKSPACE
