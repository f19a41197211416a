"""Small models get simple prompts: by name, by window, or by how their replies turned out."""

from __future__ import annotations

import pytest

from funnel.prompts.forms import SMALL_WINDOW_TOKENS, Forms

SMALL = [
    "qwen2.5-coder-1.5b",
    "/models/Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
    "SmolLM2-135M-Instruct",
    "llama3.2:3b",
    "meta-llama/Llama-3.1-8B-Instruct",
    "gemma-3n-e4b",
    "command-r7b",
    "qwen2.5-7b-instruct-1m",
    "phi3:mini",
    "microsoft/Phi-4-mini-instruct",
    "llama3.2",
    "mistral:latest",
    "smollm2",
    "gemma3:270m",
]
LARGE = [
    "gpt-6.1-sol",
    "gpt-4o-mini",
    "claude-haiku-4-5",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    "qwen3:30b-a3b",
    "mixtral-8x7b",
    "gpt-oss-20b",
    "llama3.3",
    "gemma2:9b",
    "llama-4-scout-10m",
    "qwen2.5-14b-instruct-1m",
    "local",
    "scripted",
    "mistral-large",
    "deepseek-r1:70b",
    "model-4bit",
]


@pytest.mark.parametrize("model", SMALL)
def test_a_small_model_is_known_by_its_name(model):
    assert Forms().form_for(model, None) == "simple"


@pytest.mark.parametrize("model", LARGE)
def test_other_models_get_the_full_form(model):
    assert Forms().form_for(model, None) == "full"


def test_a_narrow_window_leaves_room_for_the_simple_form_only():
    forms = Forms()
    assert forms.form_for("m", SMALL_WINDOW_TOKENS - 1) == "simple"
    assert forms.form_for("m", SMALL_WINDOW_TOKENS) == "full"


def test_two_malformed_replies_in_a_row_give_a_model_the_simple_form():
    forms = Forms()
    forms.malformed("m")
    assert forms.form_for("m", None) == "full"
    forms.malformed("m")
    assert (forms.form_for("m", None), forms.form_for("other", None)) == ("simple", "full")


def test_a_well_formed_reply_between_two_malformed_ones_keeps_the_full_form():
    forms = Forms()
    for say in (forms.malformed, forms.well_formed, forms.malformed):
        say("m")
    assert forms.form_for("m", None) == "full"


def test_well_formed_replies_to_simple_prompts_do_not_bring_the_full_form_back():
    forms = Forms()
    for say in (forms.malformed, forms.malformed, forms.well_formed):
        say("m")
    assert forms.form_for("m", None) == "simple"


@pytest.mark.parametrize(("setting", "model"), [("full", "smollm2"), ("simple", "gpt-6.1-sol")])
def test_the_setting_decides_for_all_models(setting, model):
    assert Forms(setting).form_for(model, 4_096) == setting
