-- Generic cell rate algorithm over many buckets of many requests, at Redis' clock, in whole microseconds.
-- KEYS: the buckets of request 1, then of request 2, ... ARGV[1], msgpack, flat: for each request how many buckets,
-- and for each bucket emission_us, tolerance_us, cost. A request takes of all its buckets or of none.
-- Returns, msgpack, flat: for each request {remaining, reset_s} of each bucket, then admitted (1 or 0), then
-- retry_after_us.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local asked, key, at, out = cmsgpack.unpack(ARGV[1]), 1, 1, {}
while asked[at] do
  local count = asked[at]
  at = at + 1
  local admitted, wait, held, wanted = 1, 0, {}, {}
  for i = 0, count - 1 do
    local emission, tolerance, cost = asked[at + 3 * i], asked[at + 3 * i + 1], asked[at + 3 * i + 2]
    local full = tonumber(redis.call('GET', KEYS[key + i]) or '0') or 0
    -- empty since then; and never emptier than a bucket can be, should the clock have gone back
    held[i] = math.min(math.max(full, now), now + tolerance)
    wanted[i] = held[i] + emission * cost
    local over = wanted[i] - now - tolerance
    if over > 0 and cost > 0 then
      admitted = 0
      wait = math.max(wait, over)
    end
  end
  for i = 0, count - 1 do
    local emission, tolerance, cost = asked[at + 3 * i], asked[at + 3 * i + 1], asked[at + 3 * i + 2]
    if admitted == 1 and cost > 0 then
      held[i] = wanted[i]
      -- tostring would keep 14 digits only
      redis.call('SET', KEYS[key + i], string.format('%.0f', held[i]), 'PX', math.ceil((held[i] - now) / 1000))
    end
    out[#out + 1] = math.floor((tolerance - (held[i] - now)) / emission)
    out[#out + 1] = math.ceil((held[i] - now) / 1000000)
  end
  out[#out + 1] = admitted
  out[#out + 1] = wait
  key = key + count
  at = at + 3 * count
end
return cmsgpack.pack(out)
