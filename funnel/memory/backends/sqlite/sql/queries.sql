-- name: get
SELECT value, expires_at FROM items WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)

-- name: put
INSERT INTO items (namespace, key, value, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at

-- name: delete
DELETE FROM items WHERE namespace = ? AND key = ?

-- name: scan
SELECT key FROM items WHERE namespace = ? AND key >= ? AND key < ? AND key > ?
AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?

-- name: namespaces
-- Goes from one namespace to the next by the index, however many keys lie between.
WITH RECURSIVE each (namespace) AS (
    SELECT min(namespace) FROM items WHERE namespace > ?
    UNION ALL
    SELECT (SELECT min(namespace) FROM items WHERE namespace > each.namespace) FROM each
    WHERE each.namespace IS NOT NULL
)
SELECT namespace FROM each WHERE EXISTS (
    SELECT 1 FROM items
    WHERE items.namespace = each.namespace AND (expires_at IS NULL OR expires_at > ?)
) LIMIT ?

-- name: sweep
DELETE FROM items WHERE expires_at <= ?

-- name: matching
-- CROSS JOIN keeps SQLite to this order of the tables, since it might else ask the index once for each text. The
-- ends of lives are behind the values, so they are not read here: sorting keys need not read any value.
SELECT texts.key FROM terms CROSS JOIN texts ON texts.id = terms.rowid
WHERE terms MATCH ? AND texts.namespace = ? AND texts.key > ? ORDER BY texts.key LIMIT ?
