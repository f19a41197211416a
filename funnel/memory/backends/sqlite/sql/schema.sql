-- Keys are UTF-8, whose byte order is that of code points. expires_at is in seconds since 1970; NULL: it stays.
CREATE TABLE items (
    namespace TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires_at REAL,
    PRIMARY KEY (namespace, key)
);

CREATE INDEX items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;
