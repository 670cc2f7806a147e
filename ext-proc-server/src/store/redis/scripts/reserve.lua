-- Takes the claims of the first alternative that fits, or nothing.
--
-- KEYS  1 the reservation, 2 the expiries, then the counters of all claims of all alternatives
-- ARGV  1 the time, or empty for the server's; 2 the id; 3 the subject; 4 the lifetime;
--       then for each alternative: its claims, their windows, and its four amounts as text
-- Reply
--   granted  the number of the alternative, and of each claim: used, reserved, reset
--   refused  the number of the claim that stands in the way longest, how long, and of each claim of the last alternative the same
--   held     the alternative and the claims of what this id has taken before
--   clock    the server's time, which is in none of the windows
--
-- A reservation is a hash: subject, alternative, claims (as they were given), amounts, expires, and of each claim what it holds
-- (taken) and where (places), by spaces.

local now = time(ARGV[1])
local by_test = ARGV[1] ~= ''

local held = redis.call('HMGET', KEYS[1], 'alternative', 'claims')
if held[1] then
  return { 'held', tonumber(held[1]), held[2] }
end

local function standings(reply, claims, found)
  for index, claim in ipairs(claims) do
    local used, reserved, reset = standing(claim, found[index], now)
    local length = #reply
    reply[length + 1], reply[length + 2], reply[length + 3] = used, reserved, reset
  end
  return reply
end

local function hold(alternative, first, claims, found)
  local taken, places = {}, {}
  for index, claim in ipairs(claims) do
    taken[index] = text(claim.amount)
    places[index] = text(take(claim, found[index], claim.amount, now))
  end
  for _, counter in ipairs(found) do
    write(counter, now, by_test)
  end
  local expires = text(plus(now, tonumber(ARGV[4])))
  redis.call('HSET', KEYS[1], 'subject', ARGV[3], 'alternative', text(alternative), 'claims', ARGV[first],
    'amounts', ARGV[first + 2], 'expires', expires, 'taken', table.concat(taken, ' '), 'places', table.concat(places, ' '))
  redis.call('ZADD', KEYS[2], expires, ARGV[2])
  return standings({ 'granted', alternative }, claims, found)
end

local refused = { 'refused', 0, NONE }
local key, alternative = 2, 0
for first = 5, #ARGV, 3 do
  local claims, windows = cjson.decode(ARGV[first]), cjson.decode(ARGV[first + 1])
  local found = {}
  for index, claim in ipairs(claims) do
    key = key + 1
    found[index] = read(claim, KEYS[key], windows[index], now)
    if not found[index] then
      return { 'clock', now }
    end
  end
  local worst, longest
  for index, claim in ipairs(claims) do
    local room = claim.ceiling
    if claim.admits then
      room = math.min(room or claim.admits, claim.admits)
    end
    local waits = wait(claim, found[index], room, claim.amount, now)
    if waits and (not worst or longest ~= NONE and (waits == NONE or waits > longest)) then
      worst, longest = index, waits
    end
  end
  if not worst then
    return hold(alternative, first, claims, found)
  end
  refused = standings({ 'refused', worst - 1, longest }, claims, found)
  alternative = alternative + 1
end
return refused
