-- The full-text index of the values whose key begins with TERMS, `terms/` in UTF-8: x'7465726d732f'.
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key BLOB NOT NULL, UNIQUE (namespace, key)
);

-- No positions are kept; the column `space` narrows a search to one namespace inside the index.
CREATE VIRTUAL TABLE terms USING fts5(space, words, tokenize = 'ascii', detail = column);

CREATE TRIGGER texts_inserted AFTER INSERT ON items WHEN substr(new.key, 1, 6) = x'7465726d732f' BEGIN
    INSERT INTO texts (namespace, key) VALUES (new.namespace, new.key);
    INSERT INTO terms (rowid, space, words)
    SELECT id, hex(namespace), CAST(new.value AS TEXT) FROM texts
    WHERE namespace = new.namespace AND key = new.key;
END;

CREATE TRIGGER texts_updated AFTER UPDATE OF value ON items
WHEN substr(new.key, 1, 6) = x'7465726d732f' BEGIN
    UPDATE terms SET words = CAST(new.value AS TEXT)
    WHERE rowid = (SELECT id FROM texts WHERE namespace = new.namespace AND key = new.key);
END;

CREATE TRIGGER texts_deleted AFTER DELETE ON items WHEN substr(old.key, 1, 6) = x'7465726d732f' BEGIN
    DELETE FROM terms
    WHERE rowid = (SELECT id FROM texts WHERE namespace = old.namespace AND key = old.key);
    DELETE FROM texts WHERE namespace = old.namespace AND key = old.key;
END;

-- Index what a version without an index has written.
INSERT INTO texts (namespace, key)
SELECT namespace, key FROM items WHERE substr(key, 1, 6) = x'7465726d732f';

INSERT INTO terms (rowid, space, words)
SELECT id, hex(namespace), CAST(value AS TEXT) FROM texts JOIN items USING (namespace, key);
