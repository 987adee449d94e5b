-- Removes KEYS[1] if it is still what was read. ARGV: 1 `do` or `look`, 2 its type, 3 the digest of its dump, or nothing for a large one,
-- 4 the command for its length, or nothing, 5 that length, 6 its expiry, 7 the most memory of what is dumped.
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind == 'none' then return {'new', '-'} end
if kind ~= ARGV[2] then return {'other', '-'} end
if ARGV[3] ~= '' then
  if redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 5) > 2 * tonumber(ARGV[7]) then return {'other', '-'} end
  if redis.sha1hex(redis.call('DUMP', key)) ~= ARGV[3] then return {'other', '-'} end
elseif ARGV[4] ~= '' and redis.call(ARGV[4], key) ~= tonumber(ARGV[5]) then
  return {'other', '-'}
end
local slack = 0
local at = redis.pcall('PEXPIRETIME', key)
if type(at) == 'table' then
  if not string.find(string.lower(at.err), 'unknown') then return at end
  at = redis.call('PTTL', key)
  if at >= 0 then
    local clock = redis.call('TIME')
    at, slack = clock[1] * 1000 + math.floor(clock[2] / 1000) + at, 5
  end
end
if math.abs(at - tonumber(ARGV[6])) > slack then return {'other', '-'} end
if ARGV[1] ~= 'do' then return {'old', '-'} end
redis.call('UNLINK', key)
return {'done', '-'}
