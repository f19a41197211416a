"""A URL is shown without its credentials, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.memory.credentials import Secrets, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:hunter2@localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user:hunter2@localhost", "redis://localhost"),
        ("redis://localhost/0?password=hunter2", "redis://localhost/0"),
        ("redis://localhost/0#hunter2", "redis://localhost/0"),
        ("unix://:hunter2@/run/redis.sock?db=0", "unix:///run/redis.sock"),
        ("postgresql://u:hunter2@[::1]:5432/x", "postgresql://[::1]:5432/x"),
        ("postgresql://u:hunter2@one:1,two:2/x", "postgresql://one:1,two:2/x"),
        ("postgresql:///x?host=/run&password=hunter2", "postgresql:///x"),
        ("memory://", "memory://"),
    ],
)
def test_the_place_is_shown_and_nothing_else(url, shown):
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2",
        "redis://user:hunter2/x@localhost",
        "redis://user:hunter2?x@localhost",
        "redis://localhost/0?password=p@hunter2",
        "user:hunter2@localhost",
        "hunter2",
        "",
    ],
)
def test_where_a_password_may_stand_anywhere_nothing_is_shown(url):
    assert "hunter2" not in without_credentials(url)


@given(st.text())
def test_any_text_is_shown_somehow(text):
    assert without_credentials(text)
    Secrets(text)


@given(st.text(st.characters(exclude_characters="@/?#", exclude_categories=["Cs"]), min_size=1))
def test_no_password_is_shown(password):
    secret = f"<{password}>"
    assert secret not in without_credentials(f"redis://user:{secret}@localhost/0")


@pytest.mark.parametrize("said", ["wrong: h/nter2", "wrong: h%2Fnter2"])
def test_a_password_is_hidden_as_it_is_and_as_it_was_written(said):
    assert Secrets("redis://user:h%2Fnter2@localhost").hidden(said) == "wrong: ***"


def test_a_secret_of_the_query_is_hidden():
    assert Secrets("postgresql://x/y?sslpassword=hunter2&sslmode=require").hidden("hunter2 require") == (
        "*** require"
    )


def test_what_a_library_says_becomes_one_line():
    assert Secrets("redis://x").hidden("one\n\ttwo") == "one two"


def test_an_error_whose_chain_shows_a_secret_is_no_cause():
    secrets = Secrets("redis://:hunter2@x")
    outer, inner = ValueError("outer"), ValueError("hunter2")
    assert secrets.cause(outer) is outer
    outer.__context__ = inner
    assert secrets.cause(outer) is None
