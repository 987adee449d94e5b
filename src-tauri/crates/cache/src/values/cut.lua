-- Runs one command that reads KEYS[1], and cuts the byte strings of its reply: ARGV[1] is the command, ARGV[2] the number of its words
-- before the key, ARGV[3] the longest byte string, ARGV[4] the longest reply; a string that is cut becomes {start, length}.
local before = tonumber(ARGV[2])
local longest, left = tonumber(ARGV[3]), tonumber(ARGV[4])
local words = {ARGV[1]}
for i = 1, before do words[#words + 1] = ARGV[4 + i] end
words[#words + 1] = KEYS[1]
for i = 5 + before, #ARGV do words[#words + 1] = ARGV[i] end
local function cut(value)
  if type(value) == 'string' then
    local most = math.min(longest, math.max(left, 64))
    left = left - math.min(#value, most)
    if #value > most then return {string.sub(value, 1, most), #value} end
    return value
  elseif type(value) == 'table' and not value.ok and not value.err then
    local all = {}
    for i, one in ipairs(value) do all[i] = cut(one) end
    return all
  end
  return value
end
return cut(redis.call(unpack(words)))
