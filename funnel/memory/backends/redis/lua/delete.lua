-- KEYS: writer, index. ARGV: number, namespace, item prefix, then keys.
for i = 4, #ARGV do
    redis.call('DEL', ARGV[3] .. ARGV[i])
    unlist(KEYS[2], ARGV[2], ARGV[i])
end
redis.call('SET', KEYS[1], '1:' .. ARGV[1], 'PX', 3600000)
return 1
