"""What the environment may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from funnel.errors import BadSetting
from funnel.settings import Settings


@pytest.fixture
def env(monkeypatch):
    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_with_nothing_set_no_model_is_configured(env):
    settings = Settings()
    assert not settings.has_model
    assert (settings.model, settings.sub_model) == ("extractive", "extractive")
    assert settings.sandbox == "monty"
    assert settings.memory.startswith("sqlite:////")
    assert settings.memory.endswith("/funnel/memory.sqlite")
    assert (settings.max_parallel, settings.max_usd, settings.max_calls, settings.timeout_s) == (
        16,
        None,
        100,
        300,
    )


@pytest.mark.parametrize(
    ("values", "models"),
    [
        ({"OPENAI_API_KEY": "k"}, ("gpt-6.1-sol", "gpt-6.1-terra")),
        ({"OPENAI_BASE_URL": "http://h/v1"}, ("gpt-6.1-sol", "gpt-6.1-terra")),
        ({"FUNNEL_MODEL": "m"}, ("m", "m")),
        ({"FUNNEL_MODEL": "m", "FUNNEL_SUB_MODEL": "s"}, ("m", "s")),
        ({"OPENAI_API_KEY": "k", "FUNNEL_SUB_MODEL": "s"}, ("gpt-6.1-sol", "s")),
        ({"OPENAI_API_KEY": "k", "FUNNEL_MODEL": "extractive"}, ("extractive", "extractive")),
        ({"OPENAI_API_KEY": "", "FUNNEL_MODEL": ""}, ("extractive", "extractive")),
    ],
)
def test_which_models_a_run_uses(env, values, models):
    env(**values)
    assert (Settings().model, Settings().sub_model) == models


def test_values_are_read_as_what_they_are(env):
    env(
        FUNNEL_PRICES='{"m": [1, 2.5]}', FUNNEL_MAX_USD="0.25", FUNNEL_MAX_PARALLEL="4", FUNNEL_TRACE_DIR="/t"
    )
    settings = Settings()
    assert settings.prices == {"m": (1.0, 2.5)}
    assert (settings.max_usd, settings.max_parallel, settings.trace_dir) == (0.25, 4, Path("/t"))


@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False)])
def test_telemetry_is_off_unless_it_is_switched_on(env, value, on):
    env(FUNNEL_OTEL=value)
    assert Settings().otel is on


def test_the_limit_of_a_prompt_and_the_addenda_are_settings(env):
    assert (Settings().max_prompt_tokens, Settings().addenda) == (32_000, None)
    env(FUNNEL_MAX_PROMPT_TOKENS="9000", FUNNEL_ADDENDA="own.toml")
    assert (Settings().max_prompt_tokens, Settings().addenda) == (9_000, Path("own.toml"))


def test_a_value_given_by_name_goes_before_the_environment(env):
    env(FUNNEL_MAX_CALLS="7")
    assert Settings(max_calls=9).max_calls == 9


def test_traces_go_where_xdg_says(env):
    env(XDG_STATE_HOME="/state")
    assert Settings().trace_dir == Path("/state/funnel/traces")


@pytest.mark.parametrize("relative", ["", "state"])
def test_traces_go_to_the_home_directory_where_xdg_says_nothing_of_use(env, relative):
    env(XDG_STATE_HOME=relative, HOME="/home/u")
    assert Settings().trace_dir == Path("/home/u/.local/state/funnel/traces")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FUNNEL_MAX_USD", "lots", "must be a number of dollars, 0 or more, not 'lots'."),
        ("FUNNEL_MAX_USD", "nan", "must be a number of dollars, 0 or more, not 'nan'."),
        ("FUNNEL_MAX_USD", "-1", "must be a number of dollars, 0 or more, not '-1'."),
        ("FUNNEL_MAX_CALLS", "1.5", "must be a whole number, 1 or more, not '1.5'."),
        ("FUNNEL_MAX_PARALLEL", "0", "must be a whole number, 1 or more, not '0'."),
        ("FUNNEL_MAX_PROMPT_TOKENS", "0", "must be a whole number, 1 or more, not '0'."),
        ("FUNNEL_OTEL", "perhaps", "must be 1 or 0, not 'perhaps'."),
        ("FUNNEL_TIMEOUT_S", "0", "must be a number of seconds above 0, not '0'."),
        ("FUNNEL_STALL_S", "0", "must be a number of seconds above 0, not '0'."),
        ("FUNNEL_TIMEOUT_S", "inf", "must be a number of seconds above 0, not 'inf'."),
        ("OPENAI_BASE_URL", "localhost:8000", "must be a URL such as http://localhost:11434/v1, not "),
        ("OPENAI_BASE_URL", "http://h:99999/v1", "must be a URL such as http://localhost:11434/v1, not "),
        ("OPENAI_BASE_URL", "http://h/ v1", "must be a URL such as http://localhost:11434/v1, not "),
        ("OPENAI_BASE_URL", "http://[::1", "must be a URL such as http://localhost:11434/v1, not "),
        ("FUNNEL_PRICES", "{", 'must be JSON such as {"my-model": [0.25, 2.0]}'),
        ("FUNNEL_PRICES", '{"m": [1]}', 'must be JSON such as {"my-model": [0.25, 2.0]}'),
        ("FUNNEL_PRICES", '{"m": [1, -2]}', 'must be JSON such as {"my-model": [0.25, 2.0]}'),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_it_must_be(env, name, value, said):
    env(**{name: value})
    with pytest.raises(BadSetting) as caught:
        Settings()
    message = str(caught.value)
    assert message.startswith(f"{name}: {said}")
    assert "\n" not in message
    assert caught.value.name == name


def test_a_wrong_value_given_by_name_says_what_was_given(env):
    env(FUNNEL_MAX_CALLS="7")
    with pytest.raises(BadSetting, match="FUNNEL_MAX_CALLS: must be a whole number, 1 or more, not '0'"):
        Settings(max_calls=0)


def test_a_setting_that_does_not_exist_lists_the_known():
    with pytest.raises(BadSetting, match=r"max_call: is no setting\. Known: .*max_calls"):
        Settings(max_call=1)


def test_a_key_that_cannot_be_sent_is_not_repeated(env):
    env(OPENAI_API_KEY="sk-secret with space")
    with pytest.raises(BadSetting) as caught:
        Settings()
    assert str(caught.value) == "OPENAI_API_KEY: must be a key of printable ASCII without spaces."
    assert caught.value.__suppress_context__


def test_a_key_does_not_show_in_what_is_printed(env):
    env(OPENAI_API_KEY="sk-secret")
    settings = Settings()
    assert "sk-secret" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-secret"


def test_a_password_in_a_url_that_is_refused_is_not_repeated(env):
    env(OPENAI_BASE_URL="me:pw@host/v1")
    with pytest.raises(BadSetting) as caught:
        Settings()
    assert "pw" not in str(caught.value)


def test_the_models_are_named_as_they_are_read():
    settings = Settings(model="lead", sub_model="part")
    assert (settings.model, settings.sub_model) == ("lead", "part")


def test_what_is_added_to_each_request_is_read_from_json(env):
    env(FUNNEL_EXTRA_BODY='{"top_k": 5, "big:7b": {"top_k": 9}}', FUNNEL_EXTRA_HEADERS='{"api-key": "k-1"}')
    settings = Settings()
    assert settings.extra_body == {"top_k": 5, "big:7b": {"top_k": 9}}
    assert settings.extra_headers == {"api-key": "k-1"}
    assert Settings(extra_body={"a": 1}).extra_body == {"a": 1}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FUNNEL_EXTRA_BODY", '{"user": "hunter2"', "Expecting ',' delimiter, character 19"),
        ("FUNNEL_EXTRA_BODY", '["hunter2"]', "it is no object"),
        ("FUNNEL_EXTRA_BODY", '{"model": "hunter2"}', "model is not set here but by FUNNEL_MODEL"),
        ("FUNNEL_EXTRA_BODY", '{"n": 4, "user": "hunter2"}', "n is not set here"),
        ("FUNNEL_EXTRA_BODY", '{"max_tokens": 9}', "max_tokens is not set here but by FUNNEL_MAX_OUTPUT"),
        ("FUNNEL_EXTRA_HEADERS", "api-key: hunter2", "Expecting value, character 1"),
        ("FUNNEL_EXTRA_HEADERS", '{"api-key": ["hunter2"]}', "the value of 'api-key' is no text"),
        ("FUNNEL_EXTRA_HEADERS", '{"api-key": "hunter2\\n"}', "the value of 'api-key' is no text"),
        ("FUNNEL_EXTRA_HEADERS", '{"m": {"api key": "hunter2"}}', "'api key' is no header that can be set"),
        ("FUNNEL_EXTRA_HEADERS", '{"Content-Length": "3"}', "'Content-Length' is no header that can be set"),
    ],
)
def test_additions_that_cannot_be_made_are_one_line_without_their_values(env, name, value, said):
    env(**{name: value})
    with pytest.raises(BadSetting) as caught:
        Settings()
    assert str(caught.value).startswith(f"{name}: must be a JSON object such as")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_do_not_show_what_is_added(env):
    env(FUNNEL_EXTRA_BODY='{"token": "hunter2"}', FUNNEL_EXTRA_HEADERS='{"api-key": "hunter2"}')
    assert "hunter2" not in f"{Settings()} {Settings()!r}"


def test_the_length_of_replies_can_be_set(monkeypatch):
    assert Settings().max_output_tokens is None
    monkeypatch.setenv("FUNNEL_MAX_OUTPUT_TOKENS", "700")
    assert Settings().max_output_tokens == 700
