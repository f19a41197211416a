"""`funnel trace`: by file or by run, in the terminal or as a page."""

from __future__ import annotations

import json
import os
import webbrowser

import pytest
from traced import QUESTION, write_trace
from typer.testing import CliRunner

from funnel.cli import app


def run(*arguments, **env):
    return CliRunner().invoke(app, ["trace", *map(str, arguments)], env=env)


def refused(result):
    """The one line that it ended with."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.output
    return result.stderr.strip()


@pytest.fixture
def trace(tmp_path):
    write_trace(tmp_path / "t.jsonl")
    return tmp_path / "t.jsonl"


@pytest.mark.parametrize("named", [False, True])
def test_a_page_is_written_beside_the_trace_or_where_it_is_told(trace, tmp_path, named):
    out = tmp_path / "pages" / "p.html" if named else tmp_path / "t.html"
    result = run(trace, "--html", *([out] if named else []))
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    assert QUESTION in out.read_text()


@pytest.fixture
def resumed(tmp_path):
    """A run of two attempts, of which the first was killed."""
    write_trace(tmp_path / "r.jsonl", text="the first attempt", finished=False)
    write_trace(tmp_path / "r.1.jsonl", text="the second attempt")
    return {"FUNNEL_TRACE_DIR": str(tmp_path)}


def test_every_attempt_of_a_run_is_drawn_in_order(resumed):
    told = run("r", **resumed).stdout
    assert told.startswith("run 'the first attempt' model big sandbox monty, 2 attempts")
    assert 0 < told.index("for 'the first attempt'") < told.index("'the second attempt'")


def test_every_attempt_is_in_the_json_and_on_the_page(resumed, tmp_path):
    shown = json.loads(run("r", "--json", **resumed).stdout)
    assert [child["data"]["question"] for child in shown["children"]] == [
        "the first attempt", "the second attempt",
    ]  # fmt: skip
    assert run("r", "--html", **resumed).stdout == f"{tmp_path / 'r.html'}\n"
    page = (tmp_path / "r.html").read_text()
    assert "the first attempt" in page
    assert "the second attempt" in page


@pytest.mark.parametrize("arguments", [["r", "--last"], ["r.1"]])
def test_one_attempt_of_a_run_can_be_chosen(resumed, arguments):
    told = run(*arguments, **resumed).stdout
    assert "the second attempt" in told
    assert "the first attempt" not in told


def test_a_file_is_one_attempt(resumed, tmp_path):
    assert "the second attempt" not in run(tmp_path / "r.jsonl").stdout


def test_the_line_of_an_answer_says_why_the_work_ended(trace):
    assert "answer complete, answered, 2 citations" in run(trace).stdout


@pytest.mark.parametrize("name", ["20261122-150142-1f3c9a", "20261122-150142-1f3c9a.2"])
def test_a_run_is_found_by_its_id_where_traces_are_kept(tmp_path, name):
    write_trace(tmp_path / f"{name}.jsonl")
    result = run(name, FUNNEL_TRACE_DIR=str(tmp_path))
    assert QUESTION in result.stdout


def test_a_file_comes_before_a_run_of_its_name(trace, tmp_path, monkeypatch):
    (tmp_path / "traces").mkdir()
    write_trace(tmp_path / "traces" / "r.jsonl", text="the run's")
    write_trace(tmp_path / "r", text="the file's")
    monkeypatch.chdir(tmp_path)
    assert "the file's" in run("r", FUNNEL_TRACE_DIR=str(tmp_path / "traces")).stdout


def test_neither_file_nor_run_is_told(tmp_path):
    told = refused(run("r", FUNNEL_TRACE_DIR=str(tmp_path)))
    assert told == "Error: r is not a trace of funnel: there is no such file."


def test_a_page_can_be_opened_at_once(trace, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    assert run(trace, "--open").exit_code == 0
    assert opened == [(tmp_path / "t.html").as_uri()]


def test_where_there_is_no_browser_the_page_is_named(trace, tmp_path, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    result = run(trace, "--open")
    assert result.exit_code == 1
    assert result.stderr == f"Error: --open: no browser was found here. Open {tmp_path / 't.html'} in one.\n"


def test_a_place_for_a_page_without_a_page_is_refused(trace, tmp_path):
    assert "would be written with --html only" in refused(run(trace, tmp_path / "p.html"))


def test_a_page_never_overwrites_its_trace(trace):
    before = trace.read_bytes()
    assert "is the trace itself" in refused(run(trace, trace, "--html"))
    assert trace.read_bytes() == before


def test_a_page_that_cannot_be_written_is_one_line(trace, tmp_path):
    (tmp_path / "file").touch()
    told = refused(run(trace, tmp_path / "file" / "p.html", "--html"))
    assert told.startswith("Error: ")
    assert os.strerror(17) in told or os.strerror(20) in told
