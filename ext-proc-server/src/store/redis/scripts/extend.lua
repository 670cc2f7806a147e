-- Takes more for a reservation, from all its counters or from none. What it holds moves with it to the window of now.
--
-- KEYS  1 the reservation, then the counters of its claims
-- ARGV  1 the time, or empty for the server's; 2 what counters' keys begin with; 3 the windows of its claims;
--       then how much more: 4 micro-dollars, 5 tokens of input, 6 tokens of output, 7 requests
-- Reply
--   none     there is no such reservation
--   granted
--   refused  the number of the claim that stands in the way
--   claims   the reservation's claims: the keys were not those of their counters
--   clock    the server's time, which is in none of the windows

local now = time(ARGV[1])
local by_test = ARGV[1] ~= ''

local held = redis.call('HMGET', KEYS[1], 'claims', 'taken', 'places', 'amounts')
if not held[1] then
  return { 'none' }
end
local claims = cjson.decode(held[1])
local keys = { unpack(KEYS, 2) }
if not are_keys_of(claims, keys, ARGV[2]) then
  return { 'claims', held[1] }
end

local function numbers(list)
  local found = {}
  for number in string.gmatch(list, '%S+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

local taken, places, amounts = numbers(held[2]), numbers(held[3]), numbers(held[4])
local money, input, output, requests = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local more = {
  micro_dollars = money, input_tokens = input, output_tokens = output, tokens = plus(input, output), requests = requests,
  concurrent = 0,
}

-- Whether what was taken at this place still counts.
local function counts_at(claim, counter, place)
  if claim.kind == 'calendar' then
    return counter.now.start == place
  end
  return claim.kind ~= 'sliding' or place >= oldest(counter, now)
end

local windows = cjson.decode(ARGV[3])
local found = {}
for index, claim in ipairs(claims) do
  found[index] = read(claim, keys[index], windows[index], now)
  if not found[index] then
    return { 'clock', now }
  end
end
for index, claim in ipairs(claims) do
  local add = more[claim.measure]
  -- What is held where nobody counts any more comes back into the count.
  local again = counts_at(claim, found[index], places[index]) and 0 or taken[index]
  if add > 0 and not claim.overruns and wait(claim, found[index], claim.ceiling, plus(again, add), now) then
    return { 'refused', index - 1 }
  end
end
for index, claim in ipairs(claims) do
  local add = more[claim.measure]
  if add > 0 then
    local counter, all = found[index], plus(taken[index], add)
    if claim.kind == 'bucket' then
      -- What flowed back since it was taken need not be taken again.
      replace(claim, counter, taken[index], places[index], all, now)
    else
      replace(claim, counter, taken[index], places[index], 0, now)
      places[index] = take(claim, counter, all, now)
    end
    taken[index] = all
    write(counter, now, by_test)
  end
end

local function list(parts)
  local written = {}
  for index, part in ipairs(parts) do
    written[index] = text(part)
  end
  return table.concat(written, ' ')
end

for index, add in ipairs({ money, input, output, requests }) do
  amounts[index] = plus(amounts[index], add)
end
redis.call('HSET', KEYS[1], 'taken', list(taken), 'places', list(places), 'amounts', list(amounts))
return { 'granted' }
