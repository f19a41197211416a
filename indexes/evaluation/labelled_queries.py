"""Labelled queries in the BEIR format, measures of a ranking and their significance; knows no engine.

queries.jsonl: {"_id", "text"} per line. qrels.tsv: a header, then query id, document id, grade, separated by
tabs.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import BadFile, NothingToIndex, SourceNotFound

_COLUMNS = 3
_PERMUTATIONS = 10_000


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query and the grades (above 0) of the documents that answer it."""

    id: str
    text: str
    grades: Mapping[str, int]


def read_labelled_queries(queries: Path, qrels: Path) -> list[LabelledQuery]:
    """Read the queries that have at least one relevant document, in the order of their file.

    Raises: `SourceNotFound`; `BadFile` with the line; `NothingToIndex` if no query has a relevant document.
    """
    grades = _qrels(qrels)
    judged = []
    for number, line in enumerate(_lines(queries), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name, text = str(record["_id"]), str(record["text"])
        except (ValueError, KeyError, TypeError):
            raise BadFile(queries, 'a line must be {"_id": ..., "text": ...}', line=number) from None
        if text.strip() and grades.get(name):
            judged.append(LabelledQuery(name, text, grades[name]))
    if not judged:
        raise NothingToIndex(queries, reason=f"none of its queries has a relevant document in {qrels}")
    return judged


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), start=1):
        columns = line.rstrip("\r\n").split("\t")
        if not line.strip() or (number == 1 and not columns[-1].lstrip("-").isdigit()):
            continue
        try:
            query, document, grade = columns[0], columns[1], int(columns[_COLUMNS - 1])
        except (IndexError, ValueError):
            reason = "a line must be query id, document id and grade, separated by tabs"
            raise BadFile(path, reason, line=number) from None
        if grade > 0:
            grades.setdefault(query, {})[document] = grade
    return grades


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise SourceNotFound(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(path, f"cannot be read as text ({error})") from error


def recall_at(ranking: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return the recall: the share of the relevant documents that are among the first `k`."""
    return len(set(ranking[:k]) & set(grades)) / len(grades)


def ndcg_at(ranking: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return nDCG as in trec_eval (Järvelin, Kekäläinen 2002): gain is the grade, discount log2(rank + 1)."""
    gained = sum(grades.get(name, 0) / math.log2(rank + 1) for rank, name in enumerate(ranking[:k], start=1))
    best = sorted(grades.values(), reverse=True)[:k]
    return gained / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, start=1))


def p_value(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> float:
    """Return the two-sided p of a seeded paired randomisation test (Smucker, Allan and Carterette 2007)."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    observed = abs(sum(differences))
    if observed == 0:
        return 1.0
    source = random.Random(seed)  # noqa: S311 - a permutation test, not a secret
    moved = [d for d in differences if d]
    beyond = sum(
        abs(sum(d if source.random() < 0.5 else -d for d in moved)) >= observed - 1e-12  # noqa: PLR2004 - a fair coin
        for _ in range(_PERMUTATIONS)
    )
    return (beyond + 1) / (_PERMUTATIONS + 1)
