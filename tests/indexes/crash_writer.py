"""A program that writes to a collection and is killed, again and again; run by test_crash_points.py.

    crash_writer.py DIRECTORY SEED LEXICAL EMBEDDER DENSE PLAN

PLAN is JSON: a list of step names (die there) and numbers (be killed after so many seconds of writing). Each
kill is of a process forked for it, which first sees that what the killed ones left is as it must be. Prints
one JSON object: how often each step was died at, and the first thing that was wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  # loaded once, before the forks
import numpy as np
import scipy.sparse  # noqa: F401  # likewise
import tantivy  # noqa: F401  # likewise

from indexes import Collection, Document
from indexes.storage import faults

KEPT = 7
EMBEDS = 0.3
EARLY = 0.3
CREATION = "catalog.schema"
OPERATIONS = 120
WRONG = 3
FINISHED = 4

State = dict[str, str]
"""Document id to the one word that only its present version has."""


class Hashed:
    """A pretrained embedder that needs no model: a text is where its words hash to."""

    name = "hashed"
    dimension = 16

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        vectors = np.array([[sum(map(ord, t)) % (i + 7) for i in range(16)] for t in texts], np.float32)
        return vectors.reshape(-1, 16) / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)

    def embed_query(self, text: str) -> np.ndarray:
        return self.embed_documents([text])[0]


class Log:
    """What was begun and what was acknowledged; what is written outlives its writer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, kind: str, value: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, value]) + "\n")

    def read(self) -> tuple[State, State | None, list[str]]:
        """The acknowledged state, the one that an unfinished operation leads to, and the words that went."""
        sure: State = {}
        pending: State | None = None
        gone: set[str] = set()
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            kind, value = json.loads(line)
            if kind == "begin":
                pending = value
            else:
                gone |= set(sure.values()) - set(value.values())
                sure, pending = value, None
        return sure, pending, sorted(gone)


def opened(path: Path, lexical: str, embedder: str, dense: str) -> Collection:
    made = Hashed() if embedder == "hashed" else embedder
    return Collection.open_or_create(path, embedder=made, lexical=lexical, dense=dense)


def check(kb: Collection, log: Log) -> State:
    """The state that the collection is in. Raises: `AssertionError` unless it is one that it may be in."""
    problems = kb.verify()
    assert problems == [], problems
    sure, pending, gone = log.read()
    stored = {i: kb.as_owner().document(i).text.split()[-1] for i in kb.as_owner().ids()}
    assert stored in (sure, pending), f"{stored} is neither {sure} nor {pending}"
    for id_, word in stored.items():
        found = by_words(kb, word)
        assert found == [id_], f"{word} finds {found}, not {id_}"
    for word in [w for w in gone if w not in stored.values()][-KEPT:]:
        found = by_words(kb, word)
        assert found == [], f"{word} is deleted and still finds {found}"
    log.add("done", stored)
    return stored


def by_words(kb: Collection, word: str) -> list[str]:
    """The documents that have the word itself; what is only near it in meaning is left out."""
    return [hit.document.id for hit in kb.as_owner().search(word, 20) if "lexical" in hit.retrievers]


def write(kb: Collection, state: State, log: Log, chance: random.Random) -> State:
    """One operation, logged before and after."""
    words = iter(f"w{chance.getrandbits(60):x}" for _ in range(10))
    names = sorted(state)
    kind = chance.choice(["add", "add", "update", "delete", "erase"]) if names else "add"
    if kb.embedder == Hashed.name and chance.random() < EMBEDS:
        kb.embed()
        return state
    if len(names) > KEPT:
        kind = chance.choice(["delete", "erase"])
    if kind == "add":
        changed = {f"d{chance.getrandbits(40):x}": next(words) for _ in range(chance.randint(1, 3))}
    elif kind == "update":
        changed = {name: next(words) for name in chance.sample(names, min(len(names), 2))}
    else:
        changed = {}
    dropped = chance.sample(names, chance.randint(1, min(4, len(names)))) if not changed else []
    after = {**{k: v for k, v in state.items() if k not in dropped}, **changed}
    log.add("begin", after)
    if changed:
        kb.upsert([Document(id_, f"cats of the house purr {word}") for id_, word in changed.items()])
    elif kind == "delete" or not hasattr(kb, "erase"):
        kb.delete(dropped)
    else:
        kb.erase(dropped)
    log.add("done", after)
    return after


def die_at(step: str, after: int) -> None:
    """Arm: the process ends itself when it comes to `step` for the time number `after`."""
    left = after

    def react(name: str) -> None:
        nonlocal left
        assert name in faults.STEPS, name
        if name == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    faults.arm(react)


def live(path: Path, names: tuple[str, str, str], plan: str | float, ready: int, seed: str) -> None:
    """Check, then write until death comes."""
    chance = random.Random(seed)
    log = Log(path.with_suffix(".log"))
    if isinstance(plan, str):
        # At the creation, or in the recovery from the last death.
        if plan == CREATION or chance.random() < EARLY:
            die_at(plan, 1)
        else:
            with opened(path, *names) as kb:
                check(kb, log)
            die_at(plan, chance.randint(1, 3))
    with opened(path, *names) as kb:
        state = check(kb, log)
        os.write(ready, b".")
        for _ in range(OPERATIONS):
            state = write(kb, state, log, chance)
    if isinstance(plan, str):
        os._exit(FINISHED)


def forked(path: Path, names: tuple[str, str, str], plan: str | float, seed: str) -> int:
    """The exit status of one life, negative for the signal that ended it."""
    heard, ready = os.pipe()
    if (pid := os.fork()) == 0:
        code = WRONG
        try:
            os.close(heard)
            live(path, names, plan, ready, seed)
            code = 0
        except BaseException:  # noqa: BLE001  # whatever it was: told, and the process ends here
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(ready)
    if not isinstance(plan, str):
        os.read(heard, 1)
        time.sleep(plan)
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(heard)
    return code


def main() -> None:
    directory, seed, lexical, embedder, dense, plans = sys.argv[1:]
    path = Path(directory) / "kb"
    died: Counter[str] = Counter()
    wrong = ""
    for number, plan in enumerate(json.loads(plans)):
        code = forked(path, (lexical, embedder, dense), plan, f"{seed} {number}")
        if code != -signal.SIGKILL:
            wrong = f"life {number}, to die at {plan}, ended with {code}"
            break
        died[plan if isinstance(plan, str) else "moment"] += 1
    if not wrong:
        # One last life sees what the last death left; it finds no fault to die at.
        code = forked(path, (lexical, embedder, dense), "none", f"{seed} last")
        wrong = "" if code == FINISHED else f"the last check ended with {code}"
    sys.stdout.write(json.dumps({"died": died, "wrong": wrong}))


if __name__ == "__main__":
    main()
