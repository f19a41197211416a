-- Remove a key from the index of its namespace, and the namespace from the list with its last key.
local function unlist(index, namespace, key)
    redis.call('ZREM', index, key)
    if redis.call('EXISTS', index) == 0 then redis.call('ZREM', funnel .. 'namespaces', namespace) end
end
