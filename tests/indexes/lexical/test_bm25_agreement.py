"""tantivy and rank-bm25, given the same terms and parameters, rank alike but for one byte of length."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from indexes.chunking import chunk
from indexes.lexical.base import LexicalEntry
from indexes.lexical.rank_bm25 import RankBM25Engine
from indexes.lexical.tantivy import TantivyEngine
from indexes.retrieval.analysis import analyse
from indexes.scope import EVERYTHING
from indexes.types import Document

TOP = 10
NEAR = 1e-4


def to_byte(length: int) -> int:
    """Lucene's SmallFloat.intToByte4, as in tantivy's fieldnorm/code.rs: four significant bits above 40."""
    return length if length < 24 else 24 + _long_to_int4(length - 24)


def to_length(byte: int) -> int:
    """Lucene's SmallFloat.byte4ToInt: the length that a byte stands for."""
    return byte if byte < 24 else 24 + _int4_to_long(byte - 24)


def _long_to_int4(value: int) -> int:
    bits = value.bit_length()
    if bits < 4:
        return value
    shift = bits - 4
    return ((value >> shift) & 0x07) | ((shift + 1) << 3)


def _int4_to_long(code: int) -> int:
    shift = (code >> 3) - 1
    return code & 0x07 if shift == -1 else ((code & 0x07) | 0x08) << shift


def test_the_table_of_lengths_is_lucenes():
    # The first values of tantivy's FIELD_NORMS_TABLE above 24, and its last.
    assert [to_length(byte) for byte in range(24, 44)] == [
        24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 42, 44, 46,
    ]  # fmt: skip
    assert to_length(255) == 2_013_265_944
    assert all(to_length(to_byte(n)) <= n for n in range(100_000))


class Pair:
    """The same passages in both engines, and in rank-bm25 with tantivy's lengths."""

    def __init__(self, directory: Path, entries: list[LexicalEntry]) -> None:
        self.tantivy = TantivyEngine(directory)
        self.exact = RankBM25Engine(directory)
        self.rounded = RankBM25Engine(directory)
        self.tantivy.apply(entries, [], generation=1)
        self.exact.apply(entries, [], generation=1)
        # tantivy's marker of the generation counts as one passage of no length.
        self.rounded.apply([*entries, LexicalEntry(1 << 40, (), frozenset())], [], generation=1)
        model = self.rounded._state.model
        model.doc_len = [to_length(to_byte(length)) for length in model.doc_len]

    def agreement(self, queries: list[list[str]], reference: RankBM25Engine) -> float:
        """The share of queries whose ten best are the same passages, equal scores in either order."""
        return sum(self._agree(query, reference) for query in queries) / len(queries)

    def overlap(self, queries: list[list[str]], reference: RankBM25Engine) -> float:
        """The mean share of the reference's ten best among tantivy's ten best."""
        shares = []
        for query in queries:
            ours, theirs = (
                {key for key, _ in e.search(query, TOP, scope=EVERYTHING)} for e in (self.tantivy, reference)
            )
            shares.append(len(ours & theirs) / max(len(theirs), 1))
        return sum(shares) / len(shares)

    def _agree(self, query: list[str], reference: RankBM25Engine) -> bool:
        ours = self.tantivy.search(query, TOP, scope=EVERYTHING)
        theirs = dict(reference.search(query, 1 << 30, scope=EVERYTHING))
        best = sorted(theirs.values(), reverse=True)[:TOP]
        # tantivy adds in 32 bits: passages whose scores differ by less than that count as tied.
        return len(ours) == len(best) and all(
            abs(theirs.get(key, 0) - expected) <= NEAR * expected
            for (key, _), expected in zip(ours, best, strict=True)
        )


def test_on_synthetic_passages_both_agree_and_lengths_explain_every_miss(tmp_path):
    chance = random.Random(7)
    vocabulary = [f"w{i}" for i in range(400)]
    weights = [1 / (i + 1) for i in range(400)]

    def drawn(n: int) -> tuple[str, ...]:
        return tuple(chance.choices(vocabulary, weights, k=n))

    pair = Pair(
        tmp_path, [LexicalEntry(key, drawn(chance.randint(1, 39)), frozenset()) for key in range(1, 800)]
    )
    queries = [list(set(drawn(4))) for _ in range(100)]
    # Up to 40 terms a length is one byte exactly, so that only the marker differs.
    assert pair.agreement(queries, pair.exact) >= 0.95
    long = Pair(
        tmp_path / "long",
        [LexicalEntry(key, drawn(chance.randint(1, 300)), frozenset()) for key in range(1, 800)],
    )
    assert long.overlap(queries, long.exact) >= 0.9
    assert long.agreement(queries, long.rounded) == 1


@pytest.mark.skipif("FUNNEL_DATA" not in os.environ, reason="FUNNEL_DATA names no directory of data sets")
def test_on_scifact_the_ten_best_agree_to_95_percent_and_lengths_explain_every_miss(tmp_path):
    folder = Path(os.environ["FUNNEL_DATA"]) / "scifact"
    entries = []
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        for record in map(json.loads, file):
            document = Document(record["_id"], record["text"], title=record.get("title", ""))
            for passage in chunk(document):
                terms = (*analyse(document.title), *analyse(passage.text))
                entries.append(LexicalEntry(len(entries) + 1, terms, frozenset()))
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [analyse(json.loads(line)["text"]) for line in lines]
    pair = Pair(tmp_path, entries)
    assert pair.overlap(queries, pair.exact) >= 0.95
    assert pair.agreement(queries, pair.rounded) == 1
