"""What the Redis server does in one step each, in Lua; knows the layout of the keys and no client library.

    funnel:item:<length of namespace>:<namespace>:<key>   a value, with Redis' own expiry
    funnel:keys:<namespace>       sorted set of the keys in a namespace, all of score 0: in order of bytes
    funnel:namespaces             sorted set of the namespaces that have keys, likewise
    funnel:expiring               sorted set of items by when they end, in milliseconds
    funnel:writer:<id>            result and number of the last write of a writer, for an hour

Redis deletes an expired item by itself, but not its entry in the two sets. A scan passes over such entries
and removes them, and every write with an end removes more of them than it makes. The keys of one call lie in
different slots, so Redis Cluster cannot run these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the digest that the server knows it by once it has run it."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest)


# A write of a writer is done once: KEYS[1] is the writer, ARGV[1] the number of the write.
_ONCE = """
local done = redis.call('GET', KEYS[1])
if done and tonumber(string.sub(done, 3)) >= tonumber(ARGV[1]) then
    return tonumber(string.sub(done, 1, 1))
end
"""

_UNLIST = """
local function unlist(index, namespace, key)
    redis.call('ZREM', index, key)
    if redis.call('EXISTS', index) == 0 then redis.call('ZREM', 'funnel:namespaces', namespace) end
end
"""

# KEYS: writer, index. ARGV: number, namespace, item prefix, milliseconds to live or '', '1' for staged values
# or '0', then keys and values. A staged value was set under <writer>:<n>, n from 1, in the same transaction,
# with its end, and only its key is passed: renaming takes no time, but to hand on a large value Lua does.
PUT = Script(
    _UNLIST
    + """
local index, namespace, prefix, life, staged = KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local done = redis.call('GET', KEYS[1])
if done and tonumber(string.sub(done, 3)) >= tonumber(ARGV[1]) then
    for i = 1, staged and #ARGV - 5 or 0 do redis.call('DEL', KEYS[1] .. ':' .. i) end
    return 1
end
local n_new = 0
for i = 6, #ARGV, staged and 1 or 2 do
    local item = prefix .. ARGV[i]
    if staged then
        redis.call('RENAME', KEYS[1] .. ':' .. i - 5, item)
    elseif life == '' then
        redis.call('SET', item, ARGV[i + 1])
    else
        redis.call('SET', item, ARGV[i + 1], 'PX', life)
    end
    n_new = n_new + redis.call('ZADD', index, 0, ARGV[i])
end
if n_new > 0 then redis.call('ZADD', 'funnel:namespaces', 0, namespace) end
if life ~= '' then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local ends = string.format('%.0f', now + life)
    for i = 6, #ARGV, staged and 1 or 2 do
        redis.call('ZADD', 'funnel:expiring', ends, prefix .. ARGV[i])
    end
    -- A second later than they end, so that none is looked at while it still exists.
    local gone = redis.call('ZRANGEBYSCORE', 'funnel:expiring', '-inf', now - 1000, 'LIMIT', 0, #ARGV + 16)
    for _, item in ipairs(gone) do
        if redis.call('EXISTS', item) == 0 then
            local length, start = string.match(item, '^funnel:item:(%d+):()')
            local name = string.sub(item, start, start + length - 1)
            unlist('funnel:keys:' .. name, name, string.sub(item, start + length + 1))
        end
        redis.call('ZREM', 'funnel:expiring', item)
    end
end
redis.call('SET', KEYS[1], '1:' .. ARGV[1], 'PX', 3600000)
return 1
"""
)

# KEYS: writer, index. ARGV: number, namespace, item prefix, then keys.
DELETE = Script(
    _ONCE
    + _UNLIST
    + """
for i = 4, #ARGV do
    redis.call('DEL', ARGV[3] .. ARGV[i])
    unlist(KEYS[2], ARGV[2], ARGV[i])
end
redis.call('SET', KEYS[1], '1:' .. ARGV[1], 'PX', 3600000)
return 1
"""
)

# KEYS: writer, index. ARGV: number, namespace, item prefix, key, value, and the value expected, if any.
COMPARE_AND_SET = Script(
    _ONCE
    + """
local found = redis.call('GET', ARGV[3] .. ARGV[4])
local won = found == (ARGV[6] or false) and 1 or 0
if won == 1 then
    redis.call('SET', ARGV[3] .. ARGV[4], ARGV[5])
    redis.call('ZADD', KEYS[2], 0, ARGV[4])
    redis.call('ZADD', 'funnel:namespaces', 0, ARGV[2])
end
redis.call('SET', KEYS[1], won .. ':' .. ARGV[1], 'PX', 3600000)
return won
"""
)

# KEYS: items. Gives value, milliseconds to live (-1: it stays), value, ...
ENTRIES = Script(
    """
local found = {}
for _, item in ipairs(KEYS) do
    found[#found + 1] = redis.call('GET', item)
    found[#found + 1] = redis.call('PTTL', item)
end
return found
"""
)

# KEYS: index. ARGV: namespace, item prefix, from, to, at most so many. Gives how many entries were looked at,
# the last of them, and those that exist.
SCAN = Script(
    _UNLIST
    + """
local entries = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])
local live = {}
for _, key in ipairs(entries) do
    if redis.call('EXISTS', ARGV[2] .. key) == 1 then
        live[#live + 1] = key
    else
        unlist(KEYS[1], ARGV[1], key)
    end
end
return {#entries, entries[#entries] or '', live}
"""
)

# ARGV: from, at most so many. Gives a namespace, whether its first key exists, the next namespace, ...
NAMESPACES = Script(
    """
local page = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', 'funnel:namespaces', ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
    local first = redis.call('ZRANGE', 'funnel:keys:' .. name, 0, 0)[1]
    page[#page + 1] = name
    local item = 'funnel:item:' .. #name .. ':' .. name .. ':' .. (first or '')
    page[#page + 1] = redis.call('EXISTS', item)
end
return page
"""
)
