"""`funnel embed`, `--wait` and `--rerank` from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from processes import IGNORING_SIGINT, started
from typer.testing import CliRunner

from funnel.cli import app
from indexes.dense.pretrained import AT_ONCE

MANY = AT_ONCE + 8


class Letters:
    """A pretrained model that counts letters; slow where it is told to be."""

    dimension = 26

    def __init__(self, name="letters"):
        self.name = name

    def embed_documents(self, texts):
        time.sleep(float(os.environ.get("LETTERS_S", "0")))
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)

    def embed_query(self, text):
        return self.embed_documents([text])[0]


class Lengths:
    """A reranker that prefers short texts."""

    name = "lengths"

    def scores(self, query, texts):
        return np.array([1 / (1 + len(text)) for text in texts], np.float32)


@pytest.fixture(autouse=True)
def letters(monkeypatch):
    monkeypatch.setattr("indexes.collection.embedder_named", Letters)


def done(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for i in range(MANY):
        (folder / f"{i}.txt").write_text(f"file number {i} of cats {'and more ' * i}")
    return folder


@pytest.fixture
def kb(docs, tmp_path):
    done("index", docs, "--kb", tmp_path / "kb", "--embedder", "letters")
    return tmp_path / "kb"


def test_indexing_tells_what_waits_and_how_to_go_on(docs, tmp_path):
    kb = tmp_path / "kb"
    shown = done("index", docs, "--kb", kb, "--embedder", "letters").splitlines()
    assert shown[1] == (
        f"latent serves while {MANY} of {MANY} passages wait for letters: funnel embed --kb {kb}"
    )


def test_indexing_as_json_tells_what_waits(docs, tmp_path):
    report = json.loads(done("index", docs, "--kb", tmp_path / "kb", "--embedder", "letters", "--json"))
    assert report["waiting"] == MANY


def test_embed_fills_what_waits(kb):
    assert done("embed", "--kb", kb) == f"letters serves all {MANY} passages.\n"
    assert json.loads(done("embed", "--kb", kb, "--json")) == {
        "embedder": "letters", "serving": "letters", "embedded": MANY, "passages": MANY,
    }  # fmt: skip


def test_waiting_for_the_model_embeds_too(docs, tmp_path):
    report = json.loads(
        done("index", docs, "--kb", tmp_path / "kb", "--embedder", "letters", "--wait", "--json")
    )
    assert report["waiting"] == 0


STOPPED = """
import sys
import indexes.collection
from test_embed import Letters
indexes.collection.embedder_named = Letters
from funnel.cli import main
sys.argv[1:] = ["embed", "--kb", sys.argv[1]]
main()
"""


@pytest.mark.parametrize("start", [(), IGNORING_SIGINT], ids=["as usual", "SIGINT ignored"])
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_says_that_what_was_done_is_kept(kb, request, start, sent, status):
    command = [*start, sys.executable, "-c", STOPPED, kb]
    tests = os.pathsep.join(map(str, (request.path.parent, request.path.parents[2])))
    env = {**os.environ, "LETTERS_S": "600", "PYTHONPATH": tests}
    with started(command, env=env, stderr=subprocess.PIPE, text=True) as worker:
        wait_until((kb / "dense" / "writer").exists, worker)
        worker.send_signal(sent)
        told = worker.stderr.read()
        assert worker.wait(120) == status
    assert f"{MANY} of {MANY} passages wait for letters. The next run continues from there." in told
    assert "Traceback" not in told


def wait_until(true, worker):
    while not true():
        assert worker.poll() is None
        time.sleep(0.01)


def test_search_lets_a_reranker_decide(kb, monkeypatch):
    monkeypatch.setattr("indexes.rerank.reranker", lambda _: Lengths())
    found = json.loads(done("search", "cats", "--kb", kb, "--rerank", "lengths", "-k", 3, "--json"))
    assert [hit["document"]["id"] for hit in found] == ["docs/0.txt", "docs/1.txt", "docs/2.txt"]
    assert found[0]["retrievers"]["rerank"]["rank"] == 1


def test_search_shows_the_rerankers_score_beside_the_legs(kb, monkeypatch):
    monkeypatch.setattr("indexes.rerank.reranker", lambda _: Lengths())
    head = done("search", "cats", "--kb", kb, "--rerank", "lengths").splitlines()[0].split()
    assert head[:5] == ["rank", "score", "dense", "lexical", "rerank"]


def test_ask_reads_what_the_reranker_put_first(kb, monkeypatch, tmp_path):
    monkeypatch.setattr("indexes.rerank.reranker", lambda _: Lengths())
    trace = tmp_path / "t.jsonl"
    done("ask", "Which file is of cats?", "--kb", kb, "--rerank", "lengths", "-k", 1, "--trace", trace)
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    [documents] = [e["data"]["documents"] for e in events if "documents" in e.get("data", {})]
    assert [document["id"] for document in documents] == ["docs/0.txt"]


def test_a_reranker_that_is_none_ends_in_one_line(kb, tmp_path):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "none").mkdir()
    arguments = ["search", "cats", "--kb", str(kb), "--rerank", str(tmp_path / "none")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "no cross-encoder to load" in result.stderr


def test_a_collection_that_is_not_there_cannot_be_embedded(tmp_path):
    result = CliRunner().invoke(app, ["embed", "--kb", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "No collection in" in result.stderr
