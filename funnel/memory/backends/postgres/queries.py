"""The queries of a PostgreSQL memory by name, read once from `sql/queries.sql`; knows no connection."""

from __future__ import annotations

from funnel.memory.backends.sql import read_queries

_QUERIES = read_queries(__package__, "sql/queries.sql")

PLACE = _QUERIES["place"]
GET_ONE = _QUERIES["get_one"]
GET = _QUERIES["get"]
ENTRIES = _QUERIES["entries"]
NAME = _QUERIES["name"]
PUT_ONE = _QUERIES["put_one"]
PUT = _QUERIES["put"]
DELETE = _QUERIES["delete"]
COMPARE_AND_SET = _QUERIES["compare_and_set"]
SCAN = _QUERIES["scan"]
MATCHING = _QUERIES["matching"]
NAMESPACES = _QUERIES["namespaces"]
SWEEP_ITEMS = _QUERIES["sweep_items"]
SWEEP_WRITERS = _QUERIES["sweep_writers"]
