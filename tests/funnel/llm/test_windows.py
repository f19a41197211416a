"""What is learnt of a model's window from what its endpoint refuses and reports."""

from __future__ import annotations

import pytest

from funnel.errors import ContextTooLong
from funnel.llm.base import Completion, Message, Request
from funnel.llm.windows import RATIO_UNKNOWN, Window, window_of


def request(n_bytes, output=8_000, purpose="turn"):
    return Request((Message("user", "x" * (n_bytes - 16)),), purpose, max_output_tokens=output)


def test_a_reply_is_kept_within_a_known_window_before_anything_is_learnt():
    window = Window(8_192)
    assert window.granted(request(12_000)) == 8_192 - 4_000
    assert window.granted(request(40_000)) == 8_192 // 4


def refusal(window=None, prompt=None, output=None):
    numbers = {"window_tokens": window, "prompt_tokens": prompt, "max_output_tokens": output}
    return ContextTooLong("m", "e", "too long", advice="", **numbers)


def refused(sent, *, window=None, prompt=None, output=None, known=None):
    """The window that knows of this refusal, and the shorter reply that it would ask for."""
    found, error = Window(known), refusal(window, prompt, output)
    found.refused(sent, error)
    return found, found.shorter(sent, error)


def test_nothing_is_bounded_while_nothing_is_known():
    window = Window()
    assert (window.room(8_000), window.reply(8_000), window.granted(request(10**6))) == (None, 8_000, 8_000)


def test_a_refusal_with_all_numbers_tells_what_fits_beside_the_same_prompt():
    window, shorter = refused(request(12_000), window=8_192, prompt=3_000)
    assert (window.tokens, shorter) == (8_192, 8_192 - 3_000)
    assert window.ratio == 3_000 / 6_000


def test_a_prompt_that_leaves_little_for_the_reply_is_cut_instead():
    assert refused(request(28_000), window=8_192, prompt=7_000)[1] is None
    assert refused(request(28_000, purpose="query"), window=8_192, prompt=7_000)[1] == 1_192


def test_the_longest_reply_is_learnt_and_asked_for():
    window, shorter = refused(request(4_000), output=2_048)
    assert (window.reply(8_000), shorter, window.tokens) == (2_048, 2_048, None)


def test_a_prompt_of_which_the_server_counted_only_the_first_tokens_teaches_no_ratio():
    window, shorter = refused(request(12_000), window=8_192, prompt=1)
    assert (window.ratio, shorter) == (RATIO_UNKNOWN, 8_192 - 4_000)
    stopped, _ = refused(request(60_000), window=8_192, prompt=8_193)
    assert stopped.ratio == RATIO_UNKNOWN


def test_a_server_that_counts_until_the_limit_is_passed_is_believed_only_that_it_was():
    window, shorter = refused(request(12_000, output=5_000), window=8_192, prompt=8_193 - 5_000)
    assert window.ratio == RATIO_UNKNOWN
    assert shorter == 8_192 - 4_000


def test_a_ratio_that_was_only_guessed_is_replaced_by_the_first_that_is_reported():
    window, _ = refused(request(12_000, output=1_000), window=8_192)
    report(window, request(12_000), 3_000)
    assert window.ratio == 0.5


def test_a_refusal_without_numbers_makes_the_window_a_quarter_smaller():
    window, _ = refused(request(12_000))
    assert window.tokens == (4_000 + 8_000) * 3 // 4


def test_a_refusal_without_numbers_of_what_should_fit_shrinks_a_known_window():
    window, _ = refused(request(12_000, output=1_000), known=100_000)
    assert window.tokens == (4_000 + 1_000) * 3 // 4


def test_a_prompt_that_was_refused_though_it_should_fit_has_more_tokens_than_was_thought():
    window, _ = refused(request(12_000, output=1_000), window=8_192)
    assert window.ratio == pytest.approx(RATIO_UNKNOWN * 1.3)


def test_a_quarter_of_a_small_window_is_kept_for_the_reply():
    window, _ = refused(request(12_000), window=4_096, prompt=3_000)
    assert window.room(8_000) == int((4_096 - 1_024 - 64) / 0.5)


def report(window, sent, tokens):
    return window.used(sent, Completion("", "m", tokens, 1))


def test_what_the_endpoint_counts_tells_how_many_bytes_a_token_has():
    window = Window(8_192)
    assert not report(window, request(12_000), 3_000)
    assert window.ratio == 0.5


def test_a_denser_text_counts_at_once_and_a_lighter_one_little_by_little():
    window = Window(8_192)
    report(window, request(12_000), 2_400)
    report(window, request(12_000), 3_600)
    assert window.ratio == 0.6
    report(window, request(12_000), 2_400)
    assert 0.4 < window.ratio < 0.6


@pytest.mark.parametrize("tokens", [10, 10**9])
def test_a_count_that_cannot_be_right_teaches_nothing(tokens):
    window = Window(8_192)
    report(window, request(12_000), tokens)
    assert window.ratio == RATIO_UNKNOWN


@pytest.mark.parametrize(
    ("n_bytes", "tokens", "cut"),
    [
        (40_000, 2_048, True),
        (40_000, 4_000, True),
        (40_000, 8_000, False),
        (12_000, 2_048, True),
        (900, 10, False),
    ],
)
def test_a_prompt_of_which_far_less_was_read_was_cut(n_bytes, tokens, cut):
    assert report(Window(), request(n_bytes), tokens) is cut


class Placed:
    name = "gpt-4"
    endpoint = "openai https://api.openai.com/v1"


def test_all_runs_of_a_process_share_what_is_known_of_a_model_at_an_endpoint():
    assert window_of(Placed()) is window_of(Placed())
    assert window_of(Placed()).tokens == 8_192
