"""What an error object says, in the shapes that servers give it, and what follows from it."""

from __future__ import annotations

import json

import pytest

from funnel.llm.openai.failures import failed_reply
from funnel.llm.openai.redaction import Redactor
from funnel.llm.openai.server_error import stated_error

INNER = json.dumps({"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit"}})


@pytest.mark.parametrize(
    ("error", "status", "retry", "reason"),
    [
        ({"message": "slow", "code": 429}, 429, True, "error 429 in the reply, slow"),
        ({"message": "slow", "code": "429"}, 429, True, "error 429 in the reply, slow"),
        (
            {"message": "no", "code": "rate_limit_exceeded", "type": "tokens"},
            429,
            True,
            "an error in the reply, no",
        ),
        (
            {"message": "no", "status": "RESOURCE_EXHAUSTED", "code": 429},
            429,
            True,
            "error 429 in the reply, no",
        ),
        (
            {"type": "overloaded_error", "message": "Overloaded"},
            503,
            True,
            "an error in the reply, Overloaded",
        ),
        ({"status": "UNAVAILABLE", "message": "m"}, 503, True, "an error in the reply, m"),
        ({"type": "server_error", "message": "m"}, 500, True, "an error in the reply, m"),
        ({"type": "timeout", "message": "m"}, 504, True, "an error in the reply, m"),
        ({"message": "upstream is down"}, 503, True, "an error in the reply, upstream is down"),
        ({"message": "?"}, 500, True, "an error in the reply, ?"),
        ("upstream connect error", 503, True, "an error in the reply, upstream connect error"),
        ({"status_code": 1002, "status_msg": "rate limit"}, 429, True, "an error in the reply, rate limit"),
        (
            {"message": "Provider returned error", "code": 502, "metadata": {"raw": INNER}},
            502,
            True,
            "error 502 in the reply, Rate limit reached",
        ),
        (
            {"message": "Provider returned error", "code": 429, "metadata": {"raw": "try later"}},
            429,
            True,
            "error 429 in the reply, try later",
        ),
        (
            {"message": f"litellm.RateLimitError: {INNER}"},
            429,
            True,
            "an error in the reply, litellm.RateLimitError: Rate limit reached",
        ),
        ({"message": "Error code: 503 - {'error': {'message': 'busy'}}"}, 503, True, None),
        ({"message": json.dumps({"error": {"message": INNER}})}, 429, True, None),
        ({"message": "bad key", "code": 401}, 401, False, "error 401 in the reply, bad key"),
        ({"message": "m", "code": "invalid_api_key"}, 401, False, "an error in the reply, m"),
        ({"message": "m", "type": "insufficient_quota"}, 402, False, "an error in the reply, m"),
        ({"message": "The model 'x' does not exist"}, 404, False, None),
        ({"message": "m", "type": "invalid_request_error"}, 400, False, "an error in the reply, m"),
        ({"message": "m", "code": "content_filter"}, 400, False, "an error in the reply, m"),
    ],
)
def test_an_error_in_a_reply_counts_as_what_it_says(error, status, retry, reason):
    failure = failed_reply(error, status=None)
    assert (failure.status, failure.retry, failure.refused) == (status, retry, not retry)
    assert reason in {failure.reason, None}
    assert "OPENAI_BASE_URL" not in failure.advice or status == 404


@pytest.mark.parametrize(
    ("status", "error", "counts_as", "retry"),
    [
        (429, {"code": "insufficient_quota", "message": "m"}, 402, False),
        (400, {"type": "ThrottlingException", "message": "m"}, 429, True),
        (400, {"code": 529, "message": "overloaded"}, 529, True),
        (403, {"code": "rate_limit_exceeded", "message": "m"}, 429, True),
        (500, {"code": 400, "message": "bad role"}, 400, False),
        (502, {"message": "Provider returned error", "metadata": {"raw": '{"code": 401}'}}, 401, False),
        (500, {"type": "invalid_request_error", "message": "m"}, 500, True),
        (400, {"type": "server_error", "message": "m"}, 400, False),
    ],
)
def test_the_status_of_a_gateway_yields_to_what_the_provider_stated(status, error, counts_as, retry):
    failure = failed_reply(error, status=status)
    assert (failure.status, failure.retry) == (counts_as, retry)
    assert failure.reason.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 400, "message": "Bad role", "status": "INVALID_ARGUMENT"}}],
        {"detail": "Bad role"},
        {"detail": [{"type": "value_error", "loc": ["body"], "msg": "Bad role"}]},
        {"object": "error", "message": "Bad role", "type": "BadRequestError", "param": None, "code": 400},
        {"error": "Bad role"},
        {"errors": [{"code": 10000, "message": "Bad role"}]},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Bad\n role."}},
        "Bad role",
    ],
)
def test_the_servers_words_are_found_whatever_is_around_them(body):
    assert failed_reply(body, status=400).reason == "HTTP 400, Bad role"


def test_a_page_of_html_has_no_words():
    assert failed_reply("<html>nginx</html>", status=502).reason == "HTTP 502"


def test_an_object_without_words_is_shown_as_it_is():
    assert failed_reply({"x": 7}, status=400).reason == "HTTP 400, {'x': 7}"


def test_an_error_that_wraps_itself_without_end_is_read():
    error: dict = {"message": "at the outside"}
    inner = error
    for _ in range(2000):
        inner["error"] = {"message": "further in"}
        inner = inner["error"]
    assert failed_reply(error, status=500).status == 500
    assert failed_reply('{"error":' * 5000, status=500).status == 500


def test_a_long_message_is_cut_once_its_secrets_are_hidden():
    failure = failed_reply({"message": f"{'x' * 300} sk-secret-1 sk-secret-2 {'x' * 5000}"}, status=400)
    shown = Redactor(["sk-secret-1", "sk-secret-2"]).line(failure.reason)
    assert len(shown) < 330
    assert " *** *** x" in shown


@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"error": True, "message": "no"},
        {"object": "error", "message": "no", "code": 400},
        {"type": "error", "error": {"type": "overloaded_error"}},
        {"detail": "Not authenticated"},
        {"message": "rate limit exceeded"},
        {"statusCode": 401, "message": "Access denied"},
        {"success": False, "errors": [{"code": 1000, "message": "no"}]},
        {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None},
        {"choices": [], "error": {"message": "no"}},
        {"choices": [{"message": {"content": "half"}}], "error": {"message": "no"}},
    ],
)
def test_a_reply_that_is_an_error_is_known_by_its_form(reply):
    assert stated_error(reply)


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"message": {"content": "yes"}}]},
        {"choices": [{"message": {"content": "yes"}}], "error": None, "detail": "x", "message": "x"},
        {"choices": [{"message": {"content": "yes"}}], "base_resp": {"status_code": 0}},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"object": "list", "data": []},
        {"status": "running"},
        {"message": {"role": "assistant", "content": "yes"}},
        {"message": "", "errors": []},
        {},
    ],
)
def test_other_replies_are_none(reply):
    assert stated_error(reply) is None


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, {"code": "content_filter", "message": "no"}, "The provider's filter refused it"),
        (
            400,
            {"message": "max_tokens is too large. This model supports at most 9 completion tokens"},
            "OUTPUT",
        ),
        (413, "<html><title>413 Request Entity Too Large</title></html>", "FUNNEL_MAX_PROMPT_TOKENS"),
        (404, {"message": "No endpoints found matching your data policy"}, "FUNNEL_MODEL"),
    ],
)
def test_the_advice_fits_what_is_refused(status, error, advice):
    assert advice in failed_reply(error, status=status).advice
    assert "OPENAI_BASE_URL" not in failed_reply(error, status=status).advice
