"""What the doctor says of the models: known there, how long still, how large their windows are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from chat_server import Reply
from typer.testing import CliRunner

from funnel.cli import app
from funnel.llm.openai.probing import Probe


def checks(server, **env):
    given = {"OPENAI_BASE_URL": server.url, "FUNNEL_MODEL": "root-1", **env}
    outcome = CliRunner().invoke(app, ["doctor", "--json"], env=given)
    assert outcome.exit_code == 0, outcome.output
    return {check["name"]: check for check in json.loads(outcome.stdout) if check["part"] == "model"}


def lists(*models):
    return Reply(body={"object": "list", "data": list(models)})


def in_days(days):
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def test_the_window_of_a_model_is_told(chat_server):
    chat_server.script(lists({"id": "root-1", "max_model_len": 8192}))
    assert checks(chat_server)["root-1"]["detail"] == (
        f"{chat_server.url}: 1 models (root-1); window 8,192 tokens"
    )


def test_a_model_that_is_not_listed_is_told_with_the_nearest(chat_server):
    chat_server.script(lists({"id": "root-l"}, {"id": "other"}))
    check = checks(chat_server)["root-1"]
    assert not check["available"]
    assert check["detail"].endswith("; 'root-1' is not among them; nearest: root-l")


def test_a_model_that_is_shut_down_soon_is_told(chat_server):
    chat_server.script(lists({"id": "root-1", "shutdown_date": in_days(30)}))
    assert f"it is shut down on {in_days(30)}, in 30 days" in checks(chat_server)["root-1"]["detail"]


def test_an_end_that_is_far_off_is_not_told(chat_server):
    chat_server.script(lists({"id": "root-1", "shutdown_date": in_days(120)}))
    assert "shut down" not in checks(chat_server)["root-1"]["detail"]


def test_the_model_of_sub_calls_has_a_check_of_its_own(chat_server):
    listed = lists({"id": "root-1"}, {"id": "sub-1", "context_length": 2_048})
    chat_server.script(listed, listed)
    found = checks(chat_server, FUNNEL_SUB_MODEL="sub-1")
    assert list(found) == ["root-1", "sub-1"]
    assert found["sub-1"]["detail"].endswith("window 2,048 tokens, too few for programs")


def test_what_llama_cpp_serves_counts_and_not_what_the_model_was_trained_with(chat_server):
    chat_server.script(lists({"id": "root-1", "meta": {"n_ctx_train": 131_072}}))
    chat_server.beside["/props"] = {"default_generation_settings": {"n_ctx": 4_096}}
    assert checks(chat_server)["root-1"]["detail"].endswith("window 4,096 tokens")


def test_what_lm_studio_has_loaded_counts(chat_server):
    chat_server.script(lists({"id": "root-1"}))
    loaded = {"id": "root-1", "max_context_length": 131_072, "loaded_context_length": 4_096}
    chat_server.beside["/api/v0/models"] = {"data": [loaded]}
    assert checks(chat_server)["root-1"]["detail"].endswith("window 4,096 tokens")


def test_ollama_is_recognised_and_what_to_set_is_told(chat_server):
    chat_server.script(lists({"id": "root-1"}))
    chat_server.beside |= {"/api/version": {"version": "0.12.6"}, "/api/ps": {"models": []}, "/api/show": {}}
    detail = checks(chat_server)["root-1"]["detail"]
    assert "; Ollama 0.12.6 gives it 4,096 tokens unless its settings say otherwise. Ollama cuts" in detail
    assert "OLLAMA_CONTEXT_LENGTH=32768" in detail


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1", "https://openrouter.ai/api/v1"])
def test_a_known_provider_is_asked_for_nothing_but_its_list(url):
    assert not Probe(url, "sk-x")._is_ones_own
    assert Probe("http://gpu:8000/v1", None)._is_ones_own


@pytest.mark.parametrize(
    "body", [b"[]", b'{"data": [1, null, {"id": 3}]}', b"[[[[", b'{"data": "x"}', b"\xff\xfe", b"{}"]
)
def test_an_odd_list_of_models_is_one_line_and_no_error(chat_server, body):
    chat_server.script(Reply(body=body))
    assert "\n" not in checks(chat_server)["root-1"]["detail"]
