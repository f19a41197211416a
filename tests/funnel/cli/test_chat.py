"""`funnel chat`: one line, one answer; what goes wrong ends the question, not the conversation."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from chat_server import Reply
from second_stage import reading
from typer.testing import CliRunner

from funnel.cli import app

TEXT = "The lease of Hill House ends in May 2026. Ada Roth signed it.\n"
SIGNED = Reply(reading("Ada Roth [1].", (1, "Ada Roth signed it.")))
ENDS = Reply(reading("In May 2026 [1].", (1, "The lease of Hill House ends in May 2026.")))
ALONE = "When does the lease of Hill House end?"


@pytest.fixture
def talk(tmp_path, chat_server):
    """Types lines, gives the outcome."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leases.txt").write_text(TEXT)

    def typed(*lines, arguments=()):
        env = {
            "OPENAI_BASE_URL": chat_server.url,
            "OPENAI_API_KEY": "k",
            "FUNNEL_MODEL": "m",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        command = ["chat", "--docs", str(tmp_path / "docs"), "--mode", "lookup", *arguments]
        return CliRunner().invoke(app, command, input="".join(f"{line}\n" for line in lines), env=env)

    return typed


def test_the_second_question_may_refer_to_the_first(talk, chat_server):
    chat_server.replies += [SIGNED, Reply(ALONE), ENDS]
    result = talk("Who signed the lease?", "", "And when does it end?")
    assert result.exit_code == 0, result.output
    assert "Ada Roth [1]." in result.stdout
    assert f"understood as: {ALONE}" in result.stdout
    assert "In May 2026 [1]." in result.stdout
    assert "To go on with it: funnel chat --follows " in result.stderr


def test_each_answer_is_a_line_of_json(talk, chat_server):
    chat_server.replies += [SIGNED, Reply(ALONE), ENDS]
    result = talk("Who signed the lease?", "And when does it end?", arguments=["--json"])
    first, then = map(json.loads, result.stdout.splitlines())
    assert (first["standalone"], then["standalone"]) == ("", ALONE)


def test_a_conversation_goes_on_in_another_process(talk, chat_server):
    chat_server.replies += [SIGNED, Reply(ALONE), ENDS]
    first = talk("Who signed the lease?", arguments=["--json"])
    run = json.loads(first.stdout)["run"]
    then = talk("And when does it end?", arguments=["--json", "--follows", run])
    assert json.loads(then.stdout)["standalone"] == ALONE


def test_a_question_that_fails_is_one_line_and_the_next_is_answered(talk, chat_server):
    chat_server.replies += [Reply(status=401, body={"error": {"message": "no"}}), SIGNED]
    result = talk("Who?", "Who signed the lease?")
    assert result.exit_code == 0
    assert result.stderr.count("Error:") == 1
    assert "Ada Roth [1]." in result.stdout


def test_new_forgets_what_was_said(talk, chat_server):
    chat_server.replies += [SIGNED, ENDS]
    result = talk("Who signed the lease?", "/new", "When does the lease end?")
    assert "In May 2026 [1]." in result.stdout
    assert len(chat_server.seen) == 2


def test_a_command_names_the_route_of_one_question(talk, chat_server):
    chat_server.replies += [Reply("```python\nsubmit('by a program', citations=[])\n```"), Reply(ALONE), ENDS]
    result = talk("/deep Who signed the lease?", "And when does it end?")
    assert "by a program" in result.stdout
    assert "In May 2026 [1]." in result.stdout


@pytest.mark.parametrize("line", ["/quti", "/deep", "/help"])
def test_a_command_that_is_none_is_told_with_those_that_are(talk, chat_server, line):
    result = talk(line, "/quit", "Who signed the lease?")
    assert ("is no command" in result.stderr) == (line != "/help")
    assert "/lookup QUESTION" in result.stderr
    assert chat_server.seen == []


def test_nothing_is_asked_once_the_budget_is_spent(talk, chat_server, monkeypatch):
    monkeypatch.setenv("FUNNEL_PRICES", '{"m": [1.0, 1.0]}')
    chat_server.replies += [replace(SIGNED, usage=(30_000, 10))]
    result = talk("Who signed the lease?", "And when does it end?", arguments=["--max-usd", "0.02"])
    assert "Ada Roth [1]." in result.stdout
    assert "max_usd" in result.stderr
    assert len(chat_server.seen) == 1
