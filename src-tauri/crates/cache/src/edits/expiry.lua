-- Compare-and-set of the expiry of KEYS[1]. ARGV: 1 `do` or `look`, 2 what it must be, 3 what it gets: `never`, `at:MS`, `in:MS:SINCE`.
local key, go = KEYS[1], ARGV[1] == 'do'
local slack = 0
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local at = redis.pcall('PEXPIRETIME', key)
if type(at) == 'table' then
  if not string.find(string.lower(at.err), 'unknown') then return at end
  at = redis.call('PTTL', key)
  if at >= 0 then at, slack = now + at, 5 end
end
local function words(text)
  local kind, ms, since = string.match(text, '^(%a+):?(%d*):?(%d*)$')
  return kind, tonumber(ms), tonumber(since)
end
if at == -2 then
  -- One of the two may be what this edit gave it, and over.
  for i = 2, 3 do
    local kind, ms, since = words(ARGV[i])
    if kind == 'in' and now >= since + ms then return {'other', 'expired'} end
  end
  return {'other', 'gone'}
end
local function is(text)
  local kind, ms, since = words(text)
  if kind == 'never' then return at == -1 end
  if kind == 'at' then return math.abs(at - ms) <= slack end
  -- It was set since then.
  return at >= since + ms - 5 and at <= now + ms + 5
end
local state = 'other'
if is(ARGV[2]) then state = 'old' elseif is(ARGV[3]) then state = 'new' end
local shown = string.format('%.0f', at)
if not go or state ~= 'old' then return {state, shown} end
local kind, ms = words(ARGV[3])
if kind == 'never' then redis.call('PERSIST', key)
elseif kind == 'at' then redis.call('PEXPIREAT', key, string.format('%.0f', ms))
else redis.call('PEXPIRE', key, string.format('%.0f', ms)) end
return {'done', shown}
