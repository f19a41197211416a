"""`funnel ask` and `funnel doctor` at endpoints that misbehave: what is seen, and what nobody may see."""

from __future__ import annotations

import base64
import json

import pytest
from chat_server import Reply, error
from second_stage import reading
from typer.testing import CliRunner

from funnel.cli import app

QUESTION = "Who signed the lease of Hill House?"
KEY = "sk-proj-0123456789abcdefABCDEF"
HEADER = "gateway-key-0987654321"
PASSWORD = "p4ss&word/9"


def run(*arguments, **env):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leases.txt").write_text("The lease of Hill House. Ada Roth signed it.")
    return tmp_path / "docs"


@pytest.fixture
def env(tmp_path, chat_server):
    """Everything that is kept goes into one folder, where it is looked for."""
    return {
        "OPENAI_BASE_URL": chat_server.url.replace("//", "//me:p4ss%26word%2F9@"),
        "OPENAI_API_KEY": KEY,
        "FUNNEL_MODEL": "m",
        "FUNNEL_EXTRA_HEADERS": json.dumps({"api-key": HEADER}),
        "FUNNEL_MEMORY": f"file://{tmp_path / 'kept' / 'memory'}",
        "FUNNEL_TRACE_DIR": str(tmp_path / "kept" / "traces"),
    }


def everything(folder):
    """What was kept, bytes that are no text included."""
    return "".join(p.read_bytes().decode("latin-1") for p in folder.rglob("*") if p.is_file())


def echo(chat_server):
    """What a gateway knows of the request, as it may put it into a reply."""
    seen = chat_server.seen[-1]
    encoded = base64.b64encode(seen.headers["authorization"].encode()).decode()
    return f"{json.dumps(dict(seen.headers))} {encoded}"


WAYS = {
    "in an answer": lambda text: Reply(json.dumps({"found": True, "answer": text, "quotes": []})),
    "in an answer of no form": Reply,
    "in a program": lambda text: Reply(f"```python\nprint({text!r})\nsubmit({text!r}, citations=[])\n```"),
    "as the model's name": lambda text: Reply(
        body={"choices": [{"message": {"content": reading("x")}, "finish_reason": text}], "model": text}
    ),
    "in an error": lambda text: error(400, text),
    "in an error of a 200": lambda text: Reply(body={"error": {"message": text, "code": 401}}),
    "in a body": lambda text: Reply(body={"echo": text}),
}


@pytest.mark.parametrize("mode", ["lookup", "deep"])
@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_shown_or_kept_wherever_a_gateway_puts_it(docs, env, tmp_path, chat_server, way, mode):
    chat_server.default = lambda _body: WAYS[way](echo(chat_server))
    trace = tmp_path / "kept" / "t.jsonl"
    options = ("--docs", docs, "--mode", mode, "--json", "--trace", trace, "--max-calls", 4)
    asked = run("ask", QUESTION, *options, **env)
    assert chat_server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    shown = asked.output + everything(tmp_path / "kept")
    if trace.exists():
        shown += run("trace", trace, "--full").output
    encoded = base64.b64encode(f"Bearer {KEY}".encode()).decode()[9:-4]
    secrets = [KEY, HEADER, PASSWORD, "p4ss%26word%2F9", encoded]
    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize("key", ["x", "none", "test"])
def test_a_placeholder_for_a_key_garbles_nothing(docs, env, chat_server, key):
    said = "the request exceeds the context; none of the tests fit"
    chat_server.default = lambda _body: error(403, said)
    line = run("ask", QUESTION, "--docs", docs, **{**env, "OPENAI_API_KEY": key}).stderr
    assert said in line


def test_an_error_in_a_200_is_told_in_the_servers_words_and_the_url_is_not_blamed(docs, env, chat_server):
    chat_server.default = lambda _body: Reply(body={"error": {"message": "Your plan has ended", "code": 402}})
    line = run("ask", QUESTION, "--docs", docs, **env).stderr
    assert "error 402 in the reply, Your plan has ended. Check the account's plan and billing." in line
    assert "OPENAI_BASE_URL" not in line
    assert len(chat_server.seen) == 1


def test_an_error_in_a_200_that_may_pass_is_waited_out(docs, env, chat_server):
    chat_server.script(Reply(body={"error": {"message": "Provider returned error", "code": 502}}))
    chat_server.default = lambda _body: Reply(reading("Ada Roth signed it [1].", (1, "Ada Roth signed it.")))
    assert "Ada Roth signed it [1]." in run("ask", QUESTION, "--docs", docs, "--mode", "lookup", **env).stdout


@pytest.mark.parametrize("mode", ["lookup", "deep"])
def test_an_endpoint_without_a_system_role_and_without_schemas_answers_both_routes(
    docs, env, chat_server, mode
):
    reply = {
        "lookup": reading("Ada Roth signed it [1].", (1, "Ada Roth signed it.")),
        "deep": "```python\nsubmit('Ada Roth signed it.', citations=[])\n```",
    }[mode]

    def picky(body):
        if any(message["role"] == "system" for message in body["messages"]):
            return error(400, "Only user and assistant roles are supported!")
        return error(422, "Unprocessable Entity") if "response_format" in body else Reply(reply)

    chat_server.default = picky
    asked = run("ask", QUESTION, "--docs", docs, "--mode", mode, **env)
    assert (asked.exit_code, asked.stderr) == (0, "")
    assert "Ada Roth signed it" in asked.stdout


def test_the_doctor_asks_with_the_same_headers_and_shows_no_secret(env, chat_server):
    chat_server.default = lambda _body: error(401, echo(chat_server))
    told = run("doctor", **env)
    assert chat_server.seen[0].headers["api-key"] == HEADER
    assert "HTTP 401" in told.stdout
    assert KEY not in told.output
    assert HEADER not in told.output


def test_the_doctor_says_that_a_password_gives_way_to_the_key(env, chat_server):
    chat_server.default = lambda _body: Reply(body={"data": [{"id": "m"}]})
    told = " ".join(run("doctor", **env).stdout.split())
    assert "the password in the URL is not sent, as OPENAI_API_KEY takes its header" in told
    without_key = {name: value for name, value in env.items() if name != "OPENAI_API_KEY"}
    assert "is not sent" not in " ".join(run("doctor", **without_key).stdout.split())


@pytest.mark.parametrize("command", [("ask", QUESTION, "--docs", "docs"), ("doctor",)])
def test_settings_that_are_no_json_are_one_line(docs, env, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    told = run(*command, **{**env, "FUNNEL_EXTRA_BODY": "{'reasoning_effort': 'low'}"})
    assert told.exit_code == 1
    assert told.stderr.startswith("Error: FUNNEL_EXTRA_BODY: must be a JSON object such as ")
    assert told.stderr.count("\n") == 1
