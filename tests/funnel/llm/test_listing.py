"""What endpoints say of their models, in the forms that are known, and in forms that make no sense."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.llm.openai.listing import Listed, day, listed_models, named, nearest, window_in
from funnel.llm.openai.probing import end


def listed(*items, **body):
    return listed_models(json.dumps(body or {"data": list(items)}).encode())


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "b"}, {"id": "a"}]},
        {"models": [{"name": "b"}, {"model": "a"}]},
        [{"id": "a"}, {"id": "b"}, {"id": "a"}],
        {"data": ["a", "b", None, 3, {}, {"id": 7}, {"id": " "}]},
    ],
)
def test_the_names_of_a_list_in_any_form_are_read(body):
    assert [model.id for model in listed_models(json.dumps(body).encode())] == ["a", "b"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b"null", b'{"data": {}}', b'"x"', b"\xff", b"3"]
)
def test_what_is_no_list_of_models_is_none(body):
    assert listed_models(body) is None


@pytest.mark.parametrize(
    ("item", "tokens"),
    [
        ({"max_model_len": 8192}, 8192),
        ({"context_window": 1_050_000}, 1_050_000),
        ({"context_length": "32768"}, 32_768),
        ({"meta": {"n_ctx_train": 131_072}}, 131_072),
        ({"meta": {"n_ctx_train": 131_072, "n_ctx": 4_096}}, 4_096),
        ({"top_provider": {"context_length": 200_000}}, 200_000),
        ({"max_context_length": 32_768, "loaded_context_length": 4_096}, 4_096),
        ({"default_generation_settings": {"n_ctx": 2_048}}, 2_048),
        ({"context_length": 4096.0}, 4_096),
        ({"context_length": 0}, None),
        ({"context_length": True, "max_model_len": None, "meta": [1]}, None),
        ({"context_length": float("inf")}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_window_of_a_model_is_read_wherever_it_stands(item, tokens):
    assert window_in(item) == tokens


SECONDS = int(datetime(2027, 1, 15, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "2027-01-15", "2027-01-15T12:00:00Z", "2027-01-15T12:00:00+00:00", "2027/01/15", "20270115",
        "January 15, 2027", "Jan 15, 2027", "15 Jan 2027", "15 January 2027", "15.01.2027", SECONDS,
        float(SECONDS), SECONDS * 1000, str(SECONDS), " 2027-01-15 ",
    ],
)  # fmt: skip
def test_a_day_is_read_in_any_of_the_usual_forms(value):
    assert day(value) == date(2027, 1, 15)


@pytest.mark.parametrize("value", [True, None, "soon", "", 3, -5, 1e300, "99999999999999", [], "2027-13-45"])
def test_what_names_no_day_is_none(value):
    assert day(value) is None or day(value).year > 2000


@pytest.mark.parametrize(
    "name",
    ["shutdown_date", "shutdown_at", "retirement_date", "sunset", "deprecation", "expiration_date", "eol"],
)
def test_the_end_of_a_model_is_read_under_any_of_its_names(name):
    [model] = listed({"id": "m", name: "2027-01-15"})
    assert model.ends == date(2027, 1, 15)
    [nested] = listed({"id": "m", name: {"date": "2027-01-15", "why": "old"}})
    assert nested.ends == date(2027, 1, 15)


def test_when_a_model_was_made_is_not_its_end():
    assert (
        listed({"id": "m", "created": SECONDS, "deprecated": False, "updated_at": "2027-01-15"})[0].ends
        is None
    )


@pytest.mark.parametrize(
    ("shutdown", "said"),
    [
        (date(2027, 2, 26), "it is shut down on 2027-02-26, in 90 days"),
        (date(2027, 2, 27), ""),
        (date(2026, 11, 28), "it is shut down on 2026-11-28, in 0 days"),
        (date(2026, 11, 27), "it was to be shut down on 2026-11-27"),
    ],
)
def test_an_end_is_told_within_90_days(shutdown, said):
    assert end(shutdown, date(2026, 11, 28)) == said


MODELS = [Listed(name) for name in ("gpt-6.1-sol", "gpt-6.1-terra", "llama3:latest", "Qwen/Qwen3-Coder-30B")]


@pytest.mark.parametrize("name", ["gpt-6.1-sol", "llama3", "llama3:latest"])
def test_a_listed_model_is_found_by_its_name(name):
    assert named(MODELS, name) is not None


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("gpt-6.1-soll", "gpt-6.1-sol"),
        ("qwen3-coder-30b", "Qwen/Qwen3-Coder-30B"),
        ("LLAMA3", "llama3:latest"),
    ],
)
def test_the_nearest_names_are_those_that_are_most_alike(name, first):
    assert named(MODELS, name) is None
    assert nearest(MODELS, name)[0] == first


def test_nothing_is_near_a_name_that_is_quite_another():
    assert nearest(MODELS, "zzz") == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "models", "meta", "context_length", "shutdown_date", "n_ctx"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_body_whatever_makes_the_reading_fail(value):
    found = listed_models(json.dumps(value).encode())
    for model in found or []:
        assert nearest(found, model.id + "x") is not None
    window_in(value)
