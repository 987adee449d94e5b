-- Compare-and-set of one part of KEYS[1]. ARGV: 1 what part, 2 `do` or `look`, 3 the value that it must have, 4 the value that it gets
-- ('+' and bytes, '-' for none), 5 the expiry of a key that is made anew, 6 the longest value that is compared, 7… by part.
-- Answers {state, present value}: `old`, `new`, `other`, `large`, `done`.
local key, part, go = KEYS[1], ARGV[1], ARGV[2] == 'do'
local old, new, limit = ARGV[3], ARGV[4], tonumber(ARGV[6])
local kinds = {string = 'string', field = 'hash', name = 'hash', member = 'set', score = 'zset', element = 'list', entry = 'stream'}
local kind = redis.call('TYPE', key).ok
if kind ~= 'none' and kind ~= kinds[part] then return {'other', '-'} end
local function present(value) if value then return '+' .. value end return '-' end
local function content(value) return string.sub(value, 2) end
local function integer(n) return string.format('%.0f', n) end
-- Expiry of a field; servers without such times have none.
local function expiry(field)
  local times = redis.pcall('HPEXPIRETIME', key, 'FIELDS', 1, field)
  if times.err then
    if string.find(string.lower(times.err), 'unknown') then return -1 end
    return nil, times
  end
  return times[1]
end
local function expire(field, at)
  if at and at > 0 then redis.call('HPEXPIREAT', key, integer(at), 'FIELDS', 1, field) end
end
local function equal(a, b)
  if part == 'score' and a ~= '-' and b ~= '-' then return tonumber(content(a)) == tonumber(content(b)) end
  return a == b
end
local state, now = nil, '-'
local first, second = ARGV[7], ARGV[8]
local length
if part == 'string' then
  if kind ~= 'none' and redis.call('STRLEN', key) > limit then return {'large', '-'} end
  now = present(redis.call('GET', key))
elseif part == 'field' then
  if redis.call('HSTRLEN', key, first) > limit then return {'large', '-'} end
  now = present(redis.call('HGET', key, first))
elseif part == 'name' then
  if redis.call('HSTRLEN', key, first) > limit or redis.call('HSTRLEN', key, second) > limit then return {'large', '-'} end
  local from, to = present(redis.call('HGET', key, first)), present(redis.call('HGET', key, second))
  state, now = 'other', from
  if from == old and to == '-' then state = 'old' elseif to == old and from == '-' then state = 'new' end
elseif part == 'member' then
  if redis.call('SISMEMBER', key, first) == 1 then now = '+' end
elseif part == 'score' then
  now = present(redis.call('ZSCORE', key, first))
elseif part == 'entry' then
  local found = redis.call('XRANGE', key, first, first)[1]
  if found then
    local all = {}
    for i, one in ipairs(found[2]) do all[i] = #one .. ':' .. one end
    now = '+' .. redis.sha1hex(table.concat(all))
  end
elseif part == 'element' then
  -- 7 its place, 8 and 9 the elements before and after it, 10 the list's length when it has the old value, 11 a value that no list has.
  local place = tonumber(first)
  local function at(n) if n < 0 then return '-' end return present(redis.call('LINDEX', key, n)) end
  local function around(middle)
    if at(place - 1) ~= second then return false end
    if middle == '-' then return at(place) == ARGV[9] end
    return at(place) == middle and at(place + 1) == ARGV[9]
  end
  length = redis.call('LLEN', key)
  local is_old, is_new = around(old), around(new)
  if is_old and is_new then
    -- Its neighbours are equal to it.
    is_old = length == tonumber(ARGV[10])
    is_new = not is_old
  end
  state, now = 'other', at(place)
  if is_old then state = 'old' elseif is_new then state = 'new' end
end
if not state then
  state = 'other'
  if equal(now, old) then state = 'old' elseif equal(now, new) then state = 'new' end
end
if not go or state ~= 'old' then return {state, now} end
if part == 'string' then
  if new == '-' then redis.call('UNLINK', key) else redis.call('SET', key, content(new), 'KEEPTTL') end
elseif part == 'field' then
  if new == '-' then
    redis.call('HDEL', key, first)
  else
    local at, refused = tonumber(second), nil
    if now ~= '-' then at, refused = expiry(first) end
    if refused then return refused end
    redis.call('HSET', key, first, content(new))
    expire(first, at)
  end
elseif part == 'name' then
  local at, refused = expiry(first)
  if refused then return refused end
  -- In this order, so that the key is never empty, and keeps its own expiry.
  redis.call('HSET', key, second, content(old))
  redis.call('HDEL', key, first)
  expire(second, at)
elseif part == 'member' then
  redis.call(new == '-' and 'SREM' or 'SADD', key, first)
elseif part == 'score' then
  if new == '-' then redis.call('ZREM', key, first) else redis.call('ZADD', key, content(new), first) end
elseif part == 'entry' then
  redis.call('XDEL', key, first)
elseif part == 'element' then
  local place, hole = tonumber(first), ARGV[11]
  if old ~= '-' and new ~= '-' then
    redis.call('LSET', key, place, content(new))
  elseif new == '-' then
    redis.call('LSET', key, place, hole)
    redis.call('LREM', key, place * 2 <= length and 1 or -1, hole)
  elseif place == length then
    redis.call('RPUSH', key, content(new))
  elseif place == 0 then
    redis.call('LPUSH', key, content(new))
  else
    local there = redis.call('LINDEX', key, place)
    redis.call('LSET', key, place, hole)
    redis.call('LINSERT', key, 'BEFORE', hole, content(new))
    redis.call('LSET', key, place + 1, there)
  end
end
if kind == 'none' and tonumber(ARGV[5]) > 0 then redis.call('PEXPIREAT', key, ARGV[5]) end
return {'done', now}
