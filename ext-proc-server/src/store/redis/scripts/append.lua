-- Appends an entry to a list if it has so many entries before it: KEYS[1] the list, ARGV[1] how many, ARGV[2] the entry.
-- 1: it is there, now or since a call whose answer was lost; 0: another entry is there.
local length, before = redis.call('LLEN', KEYS[1]), tonumber(ARGV[1])
if length == before then
    redis.call('RPUSH', KEYS[1], ARGV[2])
    return 1
end
return redis.call('LINDEX', KEYS[1], before) == ARGV[2] and 1 or 0
