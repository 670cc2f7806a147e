-- Puts what was used in place of what a reservation took, and ends it.
--
-- KEYS  1 the reservation, 2 the expiries, then the counters of its claims
-- ARGV  1 the time, or empty for the server's; 2 what counters' keys begin with; 3 the id;
--       4 what is charged: "used", "at_least_reserved", or "expired" (as reserved, if the time has come);
--       5 the provider that served it, or empty; then what was used: 6 micro-dollars, 7 tokens of input, 8 tokens of output,
--       9 requests
-- Reply
--   none     there is no such reservation, or it has not expired
--   settled  the subject, its amounts as text, and of each calendar counter that has grown: the number of the claim, what was
--            used before, what is used now, and when the window began
--   claims   the reservation's claims: the keys were not those of their counters

local now = time(ARGV[1])
local by_test = ARGV[1] ~= ''
local charge, provider = ARGV[4], ARGV[5]

local held = redis.call('HMGET', KEYS[1], 'claims', 'taken', 'places', 'amounts', 'subject', 'expires')
if not held[1] or charge == 'expired' and now < tonumber(held[6]) then
  return { 'none' }
end
local claims = cjson.decode(held[1])
local keys = { unpack(KEYS, 3) }
if not are_keys_of(claims, keys, ARGV[2]) then
  return { 'claims', held[1] }
end

local money, input, output, requests = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local used = {
  micro_dollars = money, input_tokens = input, output_tokens = output, tokens = plus(input, output), requests = requests,
}

-- What is charged to a claim.
local function actual(claim, taken)
  if claim.kind == 'concurrent' then
    return 0
  end
  if provider ~= '' and claim.providers then
    local counts = false
    for _, one in ipairs(claim.providers) do
      counts = counts or one == provider
    end
    if not counts then
      return 0
    end
  end
  if charge == 'used' then
    return used[claim.measure]
  end
  return math.max(used[claim.measure], taken)
end

local reply = { 'settled', held[5], held[4] }
local each_taken, each_place = string.gmatch(held[2], '%S+'), string.gmatch(held[3], '%S+')
for index, claim in ipairs(claims) do
  local taken, place = tonumber(each_taken()), tonumber(each_place())
  local counter = read(claim, keys[index], nil, now)
  local before, after = replace(claim, counter, taken, place, actual(claim, taken), now)
  if before then
    local length = #reply
    reply[length + 1], reply[length + 2], reply[length + 3], reply[length + 4] = index - 1, before, after, place
  end
  write(counter, now, by_test)
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[3])
return reply
