-- Gives KEYS[1] the name KEYS[2], which no key has. ARGV: 1 `do` or `look`.
local from, to = redis.call('EXISTS', KEYS[1]), redis.call('EXISTS', KEYS[2])
local state = 'other'
if from == 1 and to == 0 then state = 'old' elseif from == 0 and to == 1 then state = 'new' end
if ARGV[1] ~= 'do' or state ~= 'old' then return {state, '-'} end
redis.call('RENAMENX', KEYS[1], KEYS[2])
return {'done', '-'}
