"""The full-text index of a SQLite memory: FTS5, kept in step by triggers; knows SQL and no value.

The triggers are part of the file, so whoever writes to it, an earlier version of this program too, keeps the
index right. What is indexed are the values under `TERMS`, ASCII words of letters and digits, which the
tokenizer `ascii` leaves as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from funnel.memory.base import TERMS, Namespace

_TERMS = f"x'{TERMS.encode().hex()}'"
_TEXTS = """
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key BLOB NOT NULL, UNIQUE (namespace, key)
)
"""
# No positions; the column `space` narrows a search to one namespace inside the index.
_INDEX = "CREATE VIRTUAL TABLE terms USING fts5(space, words, tokenize = 'ascii', detail = column)"
_INSERTED = f"""
CREATE TRIGGER texts_inserted AFTER INSERT ON items WHEN substr(new.key, 1, {len(TERMS)}) = {_TERMS} BEGIN
    INSERT INTO texts (namespace, key) VALUES (new.namespace, new.key);
    INSERT INTO terms (rowid, space, words)
    SELECT id, hex(namespace), CAST(new.value AS TEXT) FROM texts
    WHERE namespace = new.namespace AND key = new.key;
END
"""  # noqa: S608 - made of constants only
_UPDATED = f"""
CREATE TRIGGER texts_updated AFTER UPDATE OF value ON items
WHEN substr(new.key, 1, {len(TERMS)}) = {_TERMS} BEGIN
    UPDATE terms SET words = CAST(new.value AS TEXT)
    WHERE rowid = (SELECT id FROM texts WHERE namespace = new.namespace AND key = new.key);
END
"""  # noqa: S608 - made of constants only
_DELETED = f"""
CREATE TRIGGER texts_deleted AFTER DELETE ON items WHEN substr(old.key, 1, {len(TERMS)}) = {_TERMS} BEGIN
    DELETE FROM terms
    WHERE rowid = (SELECT id FROM texts WHERE namespace = old.namespace AND key = old.key);
    DELETE FROM texts WHERE namespace = old.namespace AND key = old.key;
END
"""  # noqa: S608 - made of constants only
# What a version without an index has written.
_FOUND = f"""
INSERT INTO texts (namespace, key)
SELECT namespace, key FROM items WHERE substr(key, 1, {len(TERMS)}) = {_TERMS}
"""  # noqa: S608 - made of constants only
_FILLED = """
INSERT INTO terms (rowid, space, words)
SELECT id, hex(namespace), CAST(value AS TEXT) FROM texts JOIN items USING (namespace, key)
"""
CREATE = (_TEXTS, _INDEX, _INSERTED, _UPDATED, _DELETED, _FOUND, _FILLED)
# CROSS JOIN is SQLite's word for: in this order. Else it may ask the index once for each text. The ends of
# lives stand behind the values, which need not be read to sort the keys.
MATCHING = """
SELECT texts.key FROM terms CROSS JOIN texts ON texts.id = terms.rowid
WHERE terms MATCH ? AND texts.namespace = ? AND texts.key > ? ORDER BY texts.key LIMIT ?
"""


def available(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite was built with FTS5."""
    found = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone()
    return found is not None


def exists(connection: sqlite3.Connection) -> bool:
    """Whether the file has the index."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'terms'").fetchone()
    return found is not None


def expression(where: Namespace, tokens: Sequence[str]) -> str:
    """What FTS5 is asked: any of the tokens, in that namespace."""
    words = " OR ".join(f'"{token}"' for token in tokens)
    return f'space : "{where.encode("utf-8", "surrogatepass").hex().upper()}" AND words : ({words})'
