"""A server that is missing is skipped at home and fails in CI."""

from __future__ import annotations

import pytest
from services.llama_server import LlamaServer
from services.server import find_program


def test_at_home_a_missing_program_is_skipped(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no such-program here"):
        find_program("such-program")


def test_in_ci_a_missing_program_fails(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="there is no such-program here"):
        find_program("such-program")


def test_a_program_is_found_off_the_path(tmp_path):
    program = tmp_path / "such-program"
    program.write_text("")
    program.chmod(0o755)
    assert find_program("such-program", tmp_path) == program


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_model_is_skipped_at_home_and_fails_in_ci(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("services.llama_server.weights", lambda: None)
    with pytest.raises(outcome, match="there is no model here"):
        LlamaServer()
