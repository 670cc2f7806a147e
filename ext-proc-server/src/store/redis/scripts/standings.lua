-- How counters stand.
--
-- KEYS  the counters of the claims
-- ARGV  1 the time, or empty for the server's; 2 the claims; 3 their windows
-- Reply
--   standings  of each claim: used, reserved, reset
--   clock      the server's time, which is in none of the windows

local now = time(ARGV[1])
local claims, windows = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local reply = { 'standings' }
for index, claim in ipairs(claims) do
  local counter = read(claim, KEYS[index], windows[index], now)
  if not counter then
    return { 'clock', now }
  end
  local used, reserved, reset = standing(claim, counter, now)
  local length = #reply
  reply[length + 1], reply[length + 2], reply[length + 3] = used, reserved, reset
end
return reply
