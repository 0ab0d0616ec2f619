-- SHA-256 (FIPS 180-4) and HMAC-SHA-256-128 (RFC 4868). Part of ngisec.lua.

local folder = debug.getinfo(1, 'S').source:match('^@(.*[/\\])') or ''
local words = dofile(folder .. 'ngisec-words.lua')
local word, octets = words.word, words.octets

local band, bxor, bnot = bit.band, bit.bxor, bit.bnot
local rshift, ror, tobit = bit.rshift, bit.ror, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep

local BLOCK_BYTES = 64
local ICV_BYTES = 16

--- The first 32 bits of the fraction of a root; `exponent` 1/2 or 1/3.
local function fraction(number, exponent)
  local root = number ^ exponent
  return tobit((root % 1) * 2 ^ 32 - (root % 1) * 2 ^ 32 % 1)
end

--- Round constants and initial hash: cube and square roots of the first primes (sections 4.2.2 and 5.3.3).
local K, INITIAL = {}, {}
do
  local candidate = 2
  while #K < 64 do
    local is_prime = true
    for _, prime in ipairs(K) do is_prime = is_prime and candidate % prime ~= 0 end
    if is_prime then K[#K + 1] = candidate end
    candidate = candidate + 1
  end
  for index = 1, 8 do INITIAL[index] = fraction(K[index], 1 / 2) end
  for index = 1, 64 do K[index] = fraction(K[index], 1 / 3) end
end

local function compress(h, text, at)
  local w = {}
  for index = 1, 16 do w[index] = word(text, at + 4 * index - 4) end
  for index = 17, 64 do
    local x, y = w[index - 15], w[index - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[index] = tobit(w[index - 16] + s0 + w[index - 7] + s1)
  end
  local a, b, c, d, e, f, g, i = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
  for index = 1, 64 do
    local choice = bxor(band(e, f), band(bnot(e), g))
    local t1 = i + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + choice + K[index] + w[index]
    local majority = bxor(band(a, b), band(a, c), band(b, c))
    local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + majority
    a, b, c, d, e, f, g, i = tobit(t1 + t2), a, b, c, tobit(d + t1), e, f, g
  end
  local after = { a, b, c, d, e, f, g, i }
  for index = 1, 8 do after[index] = tobit(h[index] + after[index]) end
  return after
end

local function sha_256(text)
  local padded = text .. '\128' .. rep('\0', (55 - #text) % BLOCK_BYTES) .. octets(0) .. octets(8 * #text)
  local h, result = INITIAL, {}
  for at = 1, #padded, BLOCK_BYTES do h = compress(h, padded, at) end
  for index = 1, 8 do result[index] = octets(h[index]) end
  return table.concat(result)
end

--- For keys of up to 64 octets.
local function hmac_sha_256_128(key)
  local function pad(with)
    return (key .. rep('\0', BLOCK_BYTES - #key)):gsub('.', function(octet) return char(bxor(byte(octet), with)) end)
  end
  local inner, outer = pad(0x36), pad(0x5c)
  return function(text)
    return sha_256(outer .. sha_256(inner .. text)):sub(1, ICV_BYTES)
  end
end

return { sha_256 = sha_256, hmac_sha_256_128 = hmac_sha_256_128 }
