"""`--where` and `--as`: a search and an answer stay inside both, and a wrong filter is one clear line."""

from __future__ import annotations

import json

import pytest
from chat_server import Reply
from second_stage import reading
from typer.testing import CliRunner

from funnel.cli import app

RECORDS = [
    {"id": "old", "text": "The lease ended in 2010.", "metadata": {"year": 2010}, "readers": ["alice"]},
    {"id": "new", "text": "The lease ends in 2026.", "metadata": {"year": 2026},
     "readers": ["alice", "group:legal"]},
    {"id": "mine", "text": "The lease is secret.", "metadata": {"year": 2026}},
]  # fmt: skip


def run(*arguments, **env):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


@pytest.fixture(scope="module")
def kb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoped")
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    assert run("index", folder / "docs.jsonl", "--kb", folder / "kb").exit_code == 0
    return folder / "kb"


def found(kb, *options):
    result = run("search", "lease", "--kb", kb, "--json", *options)
    assert result.exit_code == 0, result.output
    return sorted(hit["document"]["id"] for hit in json.loads(result.stdout))


def test_a_search_finds_what_the_filter_matches(kb):
    assert found(kb) == ["mine", "new", "old"]
    assert found(kb, "--where", '{"year": {"gte": 2020}}') == ["mine", "new"]


def test_a_search_as_somebody_finds_what_he_may_read(kb):
    assert found(kb, "--as", "alice") == ["new", "old"]
    assert found(kb, "--as", "bob", "--as", "group:legal") == ["new"]
    assert found(kb, "--as", "alice", "--where", '{"year": 2010}') == ["old"]
    assert found(kb, "--as", "nobody") == []


def scored(kb, *options):
    result = run("search", "lease", "--kb", kb, "--json", "--as", "alice", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_statistics_of_what_is_visible_are_asked_for_by_a_search_or_kept_in_the_collection(tmp_path):
    files = [tmp_path / "shown.jsonl", tmp_path / "hidden.jsonl"]
    files[0].write_text("\n".join(json.dumps(each) for each in RECORDS if each["id"] != "mine"))
    files[1].write_text(json.dumps(next(each for each in RECORDS if each["id"] == "mine")))
    asked, kept = tmp_path / "asked", tmp_path / "kept"
    for folder, options in ((asked, ()), (kept, ("--statistics", "visible"))):
        assert run("index", files[0], "--kb", folder, *options).exit_code == 0
    before = scored(kept)
    assert before == scored(asked, "--statistics", "visible")
    for folder in (asked, kept):
        assert run("index", files[1], "--kb", folder).exit_code == 0
    assert before == scored(kept) == scored(asked, "--statistics", "visible")
    assert scored(asked) != before
    assert run("index", files[1], "--kb", asked, "--statistics", "visible").exit_code == 0
    assert scored(asked) == before


@pytest.mark.parametrize("command", ["search", "ask", "index"])
def test_statistics_of_another_name_are_refused(kb, command):
    result = run(command, "lease", "--kb", kb, "--statistics", "mine")
    assert result.exit_code == 1
    assert result.stderr == "Error: Unknown statistics 'mine'. Known: collection, visible.\n"


@pytest.mark.parametrize("command", ["search", "ask"])
@pytest.mark.parametrize(
    ("where", "line"),
    [
        ('{"year": {"above": 3}}', "The filter, field 'year', operator 'above': no such operator. Known:"),
        ("year > 3", "The filter: 'year > 3' is not JSON (Expecting value: line 1 column 1 (char 0))."),
        ("[" * 100_000, "The filter: is nested too deeply."),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_one_line(kb, command, where, line):
    result = run(command, "lease", "--kb", kb, "--where", where)
    assert result.exit_code == 1
    assert " ".join(result.stderr.split()).startswith(f"Error: {line}")


def test_an_answer_is_made_of_what_the_filter_and_the_asker_allow(kb, chat_server, tmp_path):
    chat_server.replies = [Reply(reading("It ends in 2026."))]
    result = run(
        "ask", "When does the lease end?", "--kb", kb, "--mode", "lookup", "--trace", tmp_path / "t.jsonl",
        "--as", "alice", "--where", '{"year": {"gte": 2020}}', "--json",
        FUNNEL_MODEL="m", OPENAI_API_KEY="x", OPENAI_BASE_URL=chat_server.url,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    trace = (tmp_path / "t.jsonl").read_text()
    assert "The lease ends in 2026." in trace
    assert "ended in 2010" not in trace
    assert "secret" not in trace


def test_a_run_is_resumed_only_by_who_asked_and_takes_nothing_that_would_change_it(kb, tmp_path):
    place = {"XDG_STATE_HOME": str(tmp_path)}
    asked = run("ask", "When does the lease end?", "--kb", kb, "--as", "alice", "--json", **place)
    again = ("ask", "--resume", json.loads(asked.stdout)["run"])
    assert "there is none of that name" in run(*again, "--as", "bob", **place).stderr
    assert json.loads(run(*again, "--as", "alice", "--json", **place).stdout) == json.loads(asked.stdout)
    for option in (
        ("--where", "{}"),
        ("--mode", "deep"),
        ("-k", 3),
        ("--fresh",),
        ("--strict",),
        ("--statistics", "visible"),
    ):
        refused = run(*again, *option, **place).stderr
        assert refused.startswith(f"Error: {option[0]}: a resumed run keeps the value that it began with.")


def test_where_nothing_can_be_written_a_question_is_answered_all_the_same_and_one_line_says_so(kb, tmp_path):
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file")
    result = run("ask", "When does the lease end?", "--kb", kb, "--json", XDG_STATE_HOME=nowhere)
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "complete")
    assert result.stderr.startswith(
        f"Runs are not kept: {nowhere}/funnel cannot be written (Not a directory)."
    )
    assert result.stderr.count("\n") == 1
