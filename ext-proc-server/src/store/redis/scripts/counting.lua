-- The rules of counting, as in store/state.rs. This file stands before each of the other scripts.
--
-- Numbers are whole. Redis computes with doubles, which are exact below 2^53: sums stop there, and products are taken apart.
-- Times are microseconds since 1970.
--
-- A claim is an object as store/redis/wire.rs writes it:
--   counter    the counter's name
--   kind       "calendar", "sliding", "bucket" or "concurrent"
--   window     its window as text, or "concurrent"
--   measure    what is counted
--   limit      the limit's amount
--   ceiling    the most that the counter may reach; absent if nothing is refused
--   admits     the most that it may reach when a request begins; absent if that is the ceiling
--   amount     what is taken
--   overruns   true if a request that has begun may take more than the ceiling allows
--   providers  the only providers whose use counts; absent if all do
--   length     of a bucket the period, of a sliding window the length of a slot
--
-- Keys: PREFIX:WINDOW:COUNTER is a counter.
--   calendar    a hash: start, finish, used, reserved
--   sliding     a hash: amounts by the number of their slot, counted from 1970; what is older than `oldest` is forgotten
--   bucket      a number: when it is full again
--   concurrent  a number: how many are under way

local MAX = 9007199254740991
-- No wait, no reset, no end: in replies, and for windows that never end.
local NONE = -1
local NEVER = MAX
local SLOTS = 60
-- How long a counter that is as if new is kept, in milliseconds, for a clock that is set back a little.
local KEPT = 60000

local function plus(one, other)
  return math.min(one + other, MAX)
end

local function minus(one, other)
  return math.max(one - other, 0)
end

local function quotient(number, divisor)
  return (number - number % divisor) / divisor
end

-- Lua writes large numbers with 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

-- number * factor / divisor, rounded up. The divisor is below 2^45.
local function share(number, factor, divisor)
  local whole = quotient(number, divisor) * factor
  local rest = number % divisor
  local part, remainder = 0, 0
  if rest * factor <= MAX then
    part, remainder = quotient(rest * factor, divisor), rest * factor % divisor
  else
    -- Long division, with the factor's digits to the base of 2^7.
    local digits = {}
    while factor > 0 do
      digits[#digits + 1] = factor % 128
      factor = quotient(factor, 128)
    end
    for index = #digits, 1, -1 do
      local dividend = remainder * 128 + rest * digits[index]
      part = part * 128 + quotient(dividend, divisor)
      remainder = dividend % divisor
    end
  end
  if remainder > 0 then
    part = part + 1
  end
  return plus(whole, part)
end

-- The time in which an amount flows back into a claim's bucket.
local function refill(claim, amount)
  if claim.limit == 0 then
    return 0
  end
  return share(amount, claim.length, claim.limit)
end

-- Makes a bucket full so much later. What draws nothing leaves it alone, for its clock may be set back.
local function draw(counter, later, now)
  if later > 0 then
    counter.value = plus(math.max(counter.value, now), later)
  end
end

-- The time: the test's, if it gives one, or the server's.
local function time(given)
  if given ~= '' then
    return tonumber(given)
  end
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000000 + tonumber(now[2])
end

-- Whether these are the keys of these claims' counters. Whoever calls may know of another reservation, or of none.
local function are_keys_of(claims, keys, prefix)
  if #keys ~= #claims then
    return false
  end
  for index, claim in ipairs(claims) do
    if keys[index] ~= prefix .. claim.window .. ':' .. claim.counter then
      return false
    end
  end
  return true
end

-- === reading ===

local counters = {}

local function read_one(claim, key)
  local counter = { key = key, kind = claim.kind, length = claim.length }
  if claim.kind == 'calendar' then
    local known = redis.call('HMGET', key, 'start', 'finish', 'used', 'reserved')
    if known[1] then
      counter.start, counter.finish = tonumber(known[1]), tonumber(known[2])
      counter.used, counter.reserved = tonumber(known[3]), tonumber(known[4])
    end
  elseif claim.kind == 'sliding' then
    counter.slots, counter.changed = {}, {}
    local known = redis.call('HGETALL', key)
    counter.oldest = 0
    for index = 1, #known, 2 do
      local name, value = known[index], tonumber(known[index + 1])
      if name == 'oldest' then
        counter.oldest = value
      else
        counter.slots[tonumber(name)] = value
      end
    end
  else
    counter.value = tonumber(redis.call('GET', key) or 0)
  end
  return counter
end

-- The counter of a claim. A calendar counter's `now` is the window that it is in: its own, until that ends.
-- Windows: those before, of and after now by the clock of whoever calls, each its start and its end. Nil if now, by this
-- server's clock, is in none of them.
local function read(claim, key, windows, now)
  local counter = counters[key] or read_one(claim, key)
  counters[key] = counter
  if claim.kind ~= 'calendar' or not windows then
    return counter
  end
  if counter.start and now < counter.finish then
    counter.now = counter
    return counter
  end
  for _, window in ipairs(windows) do
    if window[1] <= now and now < window[2] then
      counter.now = { start = window[1], finish = window[2], used = 0, reserved = 0 }
      return counter
    end
  end
  return nil
end

-- The number of the oldest slot that counts.
local function oldest(counter, now)
  return math.max(quotient(minus(now, SLOTS * counter.length), counter.length), counter.oldest)
end

-- When a slot leaves its window: when the whole of it is older.
local function leaves(number, length)
  return (number + 1 + SLOTS) * length
end

-- === counting ===

-- How long until a counter has room for an amount, or NONE if nobody knows. Nil if it has.
local function wait(claim, counter, room, amount, now)
  if not room then
    return nil
  end
  if claim.kind == 'concurrent' then
    return counter.value + amount > room and NONE or nil
  end
  if claim.kind == 'calendar' then
    local window = counter.now
    if window.used + window.reserved + amount <= room then
      return nil
    end
    return amount <= room and window.finish ~= NEVER and minus(window.finish, now) or NONE
  end
  if claim.kind == 'sliding' then
    local first, numbers, sum = oldest(counter, now), {}, amount
    for number, part in pairs(counter.slots) do
      if number >= first then
        numbers[#numbers + 1] = number
        sum = plus(sum, part)
      end
    end
    if sum <= room then
      return nil
    end
    table.sort(numbers)
    for _, number in ipairs(numbers) do
      sum = sum - counter.slots[number]
      if sum <= room then
        return minus(leaves(number, claim.length), now)
      end
    end
    return NONE
  end
  if claim.limit == 0 then
    return amount > 0 and NONE or nil
  end
  local needs, holds = refill(claim, amount), refill(claim, room)
  local over = minus(plus(math.max(counter.value, now), needs) - now, holds)
  if over == 0 then
    return nil
  end
  return needs <= holds and over or NONE
end

-- Adds an amount to a counter, and says where: the start of its window, or the number of a slot.
local function take(claim, counter, amount, now)
  counter.dirty = true
  if claim.kind == 'calendar' then
    local window = counter.now
    if window ~= counter then
      counter.start, counter.finish, counter.used, counter.reserved = window.start, window.finish, 0, 0
      counter.now, counter.begun = counter, true
    end
    counter.reserved = plus(counter.reserved, amount)
    return counter.start
  end
  if claim.kind == 'sliding' then
    counter.oldest = oldest(counter, now)
    for number in pairs(counter.slots) do
      if number < counter.oldest then
        counter.slots[number] = nil
        counter.changed[number] = true
      end
    end
    -- A clock that was set back far takes where it will count.
    local place = math.max(quotient(now, claim.length), counter.oldest)
    counter.slots[place] = plus(counter.slots[place] or 0, amount)
    counter.changed[place] = true
    return place
  end
  if claim.kind == 'bucket' then
    draw(counter, refill(claim, amount), now)
  else
    counter.value = plus(counter.value, amount)
  end
  return 0
end

-- Puts an amount in place of the one that a claim took. Of a calendar counter that has grown: what was used before, and now.
local function replace(claim, counter, taken, place, actual, now)
  if claim.kind == 'calendar' then
    if counter.start ~= place then
      return nil
    end
    local before = counter.used
    counter.reserved = minus(counter.reserved, taken)
    counter.used = plus(before, actual)
    counter.dirty = true
    if counter.used > before then
      return before, counter.used
    end
  elseif claim.kind == 'sliding' then
    if place < counter.oldest then
      return nil
    end
    counter.slots[place] = plus(minus(counter.slots[place] or 0, taken), actual)
    counter.changed[place], counter.dirty = true, true
  elseif claim.kind == 'bucket' then
    if actual > taken then
      draw(counter, refill(claim, actual) - refill(claim, taken), now)
    else
      counter.value = minus(counter.value, refill(claim, taken) - refill(claim, actual))
    end
    counter.dirty = true
  else
    counter.value = minus(counter.value, taken)
    counter.dirty = true
  end
  return nil
end

-- How a counter stands: what is used, what is held, and how long until it is whole again.
local function standing(claim, counter, now)
  if claim.kind == 'concurrent' then
    return counter.value, counter.value, NONE
  end
  if claim.kind == 'calendar' then
    local window = counter.now
    return window.used, window.reserved, window.finish ~= NEVER and minus(window.finish, now) or NONE
  end
  if claim.kind == 'sliding' then
    local first, last, used = oldest(counter, now), nil, 0
    for number, part in pairs(counter.slots) do
      if number >= first and part > 0 then
        used = plus(used, part)
        last = math.max(last or number, number)
      end
    end
    return used, 0, last and minus(leaves(last, claim.length), now) or 0
  end
  local missing = minus(counter.value, now)
  return share(missing, claim.limit, claim.length), 0, missing
end

-- === writing ===

-- How long a counter is kept that is as if it had never counted from some time on, in milliseconds.
local function kept(whole, now)
  return text(math.ceil(minus(whole, now) / 1000) + KEPT)
end

local function write_sliding(counter, now, by_test)
  local fields, gone = { 'oldest', text(counter.oldest) }, {}
  for number in pairs(counter.changed) do
    local part = counter.slots[number] or 0
    if part > 0 then
      fields[#fields + 1] = text(number)
      fields[#fields + 1] = text(part)
    else
      gone[#gone + 1] = text(number)
    end
  end
  redis.call('HSET', counter.key, unpack(fields))
  if #gone > 0 then
    redis.call('HDEL', counter.key, unpack(gone))
  end
  -- Without any amount only `oldest` is left, until the window has passed.
  local whole = leaves(quotient(now, counter.length), counter.length)
  for number, part in pairs(counter.slots) do
    if part > 0 then
      whole = math.max(whole, leaves(number, counter.length))
    end
  end
  if not by_test then
    redis.call('PEXPIRE', counter.key, kept(whole, now))
  end
end

-- Writes a counter back, to be forgotten when it is as if it had never counted. A test's time does not pass by itself.
local function write(counter, now, by_test)
  if not counter.dirty then
    return
  end
  local key = counter.key
  if counter.kind == 'calendar' then
    redis.call('HSET', key, 'start', text(counter.start), 'finish', text(counter.finish), 'used', text(counter.used),
      'reserved', text(counter.reserved))
    if counter.begun and counter.finish ~= NEVER and not by_test then
      redis.call('PEXPIRE', key, kept(counter.finish, now))
    end
  elseif counter.kind == 'sliding' then
    write_sliding(counter, now, by_test)
  elseif counter.kind == 'bucket' then
    if by_test then
      redis.call('SET', key, text(counter.value))
    else
      redis.call('SET', key, text(counter.value), 'PX', kept(counter.value, now))
    end
  elseif counter.value > 0 then
    redis.call('SET', key, text(counter.value))
  else
    redis.call('DEL', key)
  end
end
