from __future__ import annotations

import gzip
import json
import math
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from indexes.retrieval.analysis import MAX_TERM_CHARS, analyse

DATA = os.environ.get("FUNNEL_DATA")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The waves were breaking", ["wave", "break"]),
        ("Generalisations", analyse("generalisation")),
        ("don\u2019t panic", ["panic"]),
        ("Alzheimer\u2019s", ["alzheim"]),
        ("U.S. e.g.", ["us", "eg"]),
        ("Stra\u00dfe \ufb01ne", ["strass", "fine"]),
        ("", []),
        ("___ . ' -", []),
    ],
)
def test_prose_becomes_stems_without_stop_words(text, terms):
    assert analyse(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("threading.Event.wait", ["threading.event.wait", "thread", "event", "wait"]),
        ("threading.Event.wait's", ["threading.event.wait", "thread", "event", "wait"]),
        ("max_workers", ["max_workers", "max", "worker"]),
        ("__init__", ["__init__", "init"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("isAlive", ["isal", "aliv"]),
        ("BaseURLs", ["baseurl", "base", "url"]),
    ],
)
def test_an_identifier_gives_its_whole_and_its_parts(text, terms):
    assert analyse(text) == terms


@pytest.mark.parametrize("word", ["siRNA", "NaCl", "PhD", "mRNA", "TatAd"])
def test_a_word_that_only_looks_like_camel_case_stays_whole(word):
    assert analyse(word) == [word.lower()]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("4.2", ["4.2"]),
        ("\u00a7 4.2", ["\u00a74.2", "4.2"]),
        ("\u00a7\u00a7 12", ["\u00a712", "12"]),
        ("1,000,000", ["1000000"]),
        ("1,2 and 12,3456", ["1", "2", "12", "3456"]),
    ],
)
def test_numbers_and_paragraph_signs_are_kept(text, terms):
    assert analyse(text) == terms


def test_scripts_without_spaces_give_pairs_of_characters():
    assert analyse("日本語 python入門 中") == ["日本", "本語", "python", "入門", "中"]


def test_combining_vowels_do_not_split_a_word():
    assert analyse("\u0939\u093f\u0928\u094d\u0926\u0940") == ["\u0939\u093f\u0928\u094d\u0926\u0940"]


def test_a_composed_and_a_decomposed_letter_are_the_same_term():
    assert analyse("caf\u00e9") == analyse("cafe\u0301")


@settings(deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_a_term_is_never_empty_or_too_long_and_holds_no_space(text):
    for term in analyse(text):
        assert 0 < len(term) <= MAX_TERM_CHARS
        assert not any(character.isspace() for character in term)


def test_a_word_of_a_million_letters_is_cut():
    assert analyse("x" * 1_000_000) == ["x" * MAX_TERM_CHARS]


def test_threads_get_the_same_terms():
    texts = [f"stemming{i} running{i} files_{i}.open{i}" for i in range(300)] * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyse, texts)) == [analyse(text) for text in texts]


@pytest.mark.skipif(not DATA, reason="FUNNEL_DATA names no data sets")
@pytest.mark.parametrize(("name", "reference"), [("cranfield", 0.367), ("scifact", 0.673)])
def test_ranking_is_no_worse_than_with_porter2_and_stop_words_alone(name, reference):
    folder = Path(DATA or "") / name
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text("utf-8").splitlines()]
    relevant: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        relevant[query][document] = int(grade)
    ids = [record["_id"] for record in records]
    engine = BM25Okapi(
        [analyse(f"{record.get('title', '')} {record['text']}") for record in records], k1=0.9, b=0.4
    )
    gains = []
    for query in queries:
        grades = relevant[query["_id"]]
        scores = engine.get_scores(analyse(query["text"]))
        best = np.argsort(-scores, kind="stable")[:10]
        gain = sum(grades.get(ids[number], 0) / math.log2(rank + 1) for rank, number in enumerate(best, 1))
        ideal = sorted(grades.values(), reverse=True)[:10]
        gains.append(gain / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal, 1)))
    assert sum(gains) / len(gains) > reference
