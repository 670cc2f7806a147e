-- The ids of reservations that have expired, those that expired first before others.
--
-- KEYS  1 the expiries
-- ARGV  1 the time, or empty for the server's; 2 how many at most

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(time(ARGV[1])), 'LIMIT', 0, ARGV[2])
