-- AES-GCM, AES-GMAC (NIST SP 800-38D) and AES-CTR (RFC 3686). Part of ngisec.lua.

local folder = debug.getinfo(1, 'S').source:match('^@(.*[/\\])') or ''
local words = dofile(folder .. 'ngisec-words.lua')
local word, octets, padded, with_key_stream = words.word, words.octets, words.padded, words.with_key_stream

local band, bxor, bor = bit.band, bit.bxor, bit.bor
local lshift, rshift, ror, rol = bit.lshift, bit.rshift, bit.ror, bit.rol

local BLOCK_BYTES = 16

-- AES, encryption only (FIPS 197) -----------------------------------------------------------------------------------

local SBOX, T0, T1, T2, T3 = {}, {}, {}, {}, {}
do
  local function double(x)
    return band(bxor(lshift(x, 1), x >= 128 and 0x1b or 0), 255)
  end
  -- p runs through the powers of 3, q through those of its inverse: q is 1/p.
  local p, q = 1, 1
  repeat
    p = bxor(p, double(p))
    q = bxor(q, lshift(q, 1))
    q = bxor(q, lshift(q, 2))
    q = band(bxor(q, lshift(q, 4)), 255)
    if q >= 128 then q = bxor(q, 9) end
    local spread = q * 0x101
    local s = bxor(q, rshift(spread, 7), rshift(spread, 6), rshift(spread, 5), rshift(spread, 4), 0x63)
    SBOX[p] = band(s, 255)
  until p == 1
  SBOX[0] = 0x63
  for x = 0, 255 do
    local s = SBOX[x]
    local s2 = double(s)
    local column = bor(lshift(s2, 24), lshift(s, 16), lshift(s, 8), bxor(s2, s))
    T0[x], T1[x], T2[x], T3[x] = column, ror(column, 8), ror(column, 16), ror(column, 24)
  end
end

local function substituted(w)
  return bor(
    lshift(SBOX[rshift(w, 24)], 24),
    lshift(SBOX[band(rshift(w, 16), 255)], 16),
    lshift(SBOX[band(rshift(w, 8), 255)], 8),
    SBOX[band(w, 255)]
  )
end

--- The round keys of a key of 16 or 32 octets, as words from index 1.
local function aes_schedule(key)
  local key_words = #key / 4
  local rounds = key_words + 6
  local w = { rounds = rounds }
  for index = 1, key_words do w[index] = word(key, 4 * index - 3) end
  local constant = 1
  for index = key_words + 1, 4 * (rounds + 1) do
    local last = w[index - 1]
    local position = (index - 1) % key_words
    if position == 0 then
      last = bxor(substituted(rol(last, 8)), lshift(constant, 24))
      constant = band(bxor(lshift(constant, 1), constant >= 128 and 0x1b or 0), 255)
    elseif key_words > 6 and position == 4 then
      last = substituted(last)
    end
    w[index] = bxor(w[index - key_words], last)
  end
  return w
end

local function column(a, b, c, d, round_key)
  return bxor(
    T0[rshift(a, 24)],
    T1[band(rshift(b, 16), 255)],
    T2[band(rshift(c, 8), 255)],
    T3[band(d, 255)],
    round_key
  )
end

local function last_column(a, b, c, d, round_key)
  local top = bor(lshift(SBOX[rshift(a, 24)], 24), lshift(SBOX[band(rshift(b, 16), 255)], 16))
  return bxor(top, lshift(SBOX[band(rshift(c, 8), 255)], 8), SBOX[band(d, 255)], round_key)
end

local function aes_encrypt(w, a, b, c, d)
  a, b, c, d = bxor(a, w[1]), bxor(b, w[2]), bxor(c, w[3]), bxor(d, w[4])
  local k = 5
  for _ = 2, w.rounds do
    a, b, c, d =
      column(a, b, c, d, w[k]),
      column(b, c, d, a, w[k + 1]),
      column(c, d, a, b, w[k + 2]),
      column(d, a, b, c, w[k + 3])
    k = k + 4
  end
  return last_column(a, b, c, d, w[k]),
    last_column(b, c, d, a, w[k + 1]),
    last_column(c, d, a, b, w[k + 2]),
    last_column(d, a, b, c, w[k + 3])
end

-- GHASH (NIST SP 800-38D section 6.4), a table of 256 multiples of H ------------------------------------------------

--- Times x in GCM's field, whose bits run from the left.
local function times_x(a, b, c, d)
  local carry = band(d, 1) * 0xe1
  return bxor(rshift(a, 1), lshift(carry, 24)),
    bor(rshift(b, 1), lshift(a, 31)),
    bor(rshift(c, 1), lshift(b, 31)),
    bor(rshift(d, 1), lshift(c, 31))
end

-- What eight shifts fold back of the octet that falls out on the right.
local FOLD = {}
for value = 0, 255 do
  local a, b, c, d = 0, 0, 0, value
  for _ = 1, 8 do a, b, c, d = times_x(a, b, c, d) end
  FOLD[value] = a
end

local function ghash_table(a, b, c, d)
  local t = { [0] = { 0, 0, 0, 0 } }
  local single = 128
  while single > 0 do
    t[single] = { a, b, c, d }
    a, b, c, d = times_x(a, b, c, d)
    single = rshift(single, 1)
  end
  for value = 1, 255 do
    local low = band(value, -value)
    if low ~= value then
      local x, y = t[low], t[value - low]
      t[value] = { bxor(x[1], y[1]), bxor(x[2], y[2]), bxor(x[3], y[3]), bxor(x[4], y[4]) }
    end
  end
  return t
end

--- Hash of a text whose length is a multiple of 16 octets, as four words.
local function ghash(multiples, text)
  local a, b, c, d = 0, 0, 0, 0
  for at = 1, #text, BLOCK_BYTES do
    a, b = bxor(a, word(text, at)), bxor(b, word(text, at + 4))
    c, d = bxor(c, word(text, at + 8)), bxor(d, word(text, at + 12))
    local input = { a, b, c, d }
    a, b, c, d = 0, 0, 0, 0
    for index = 4, 1, -1 do
      for shift = 0, 24, 8 do
        local m = multiples[band(rshift(input[index], shift), 255)]
        local fold = FOLD[band(d, 255)]
        d = bxor(bor(rshift(d, 8), lshift(c, 24)), m[4])
        c = bxor(bor(rshift(c, 8), lshift(b, 24)), m[3])
        b = bxor(bor(rshift(b, 8), lshift(a, 24)), m[2])
        a = bxor(rshift(a, 8), fold, m[1])
      end
    end
  end
  return a, b, c, d
end

--- The tag of both texts, as a function of the nonce (NIST SP 800-38D section 7).
local function tag(schedule, multiples, nonce, associated, ciphertext)
  local lengths = octets(0) .. octets(8 * #associated) .. octets(0) .. octets(8 * #ciphertext)
  local a, b, c, d = ghash(multiples, padded(associated, BLOCK_BYTES) .. padded(ciphertext, BLOCK_BYTES) .. lengths)
  local e, f, g, h = aes_encrypt(schedule, word(nonce, 1), word(nonce, 5), word(nonce, 9), 1)
  return octets(bxor(a, e)) .. octets(bxor(b, f)) .. octets(bxor(c, g)) .. octets(bxor(d, h))
end

local function counter_mode(schedule, nonce, first, text)
  local n1, n2, n3 = word(nonce, 1), word(nonce, 5), word(nonce, 9)
  return with_key_stream(text, BLOCK_BYTES, word, octets, function(number)
    return aes_encrypt(schedule, n1, n2, n3, first + number)
  end)
end

local aes = {}

function aes.gcm(key)
  local schedule = aes_schedule(key)
  local multiples = ghash_table(aes_encrypt(schedule, 0, 0, 0, 0))
  return function(nonce, associated, ciphertext, icv)
    local expected = tag(schedule, multiples, nonce, associated, ciphertext)
    return counter_mode(schedule, nonce, 2, ciphertext), expected == icv
  end
end

function aes.gmac(key)
  local schedule = aes_schedule(key)
  local multiples = ghash_table(aes_encrypt(schedule, 0, 0, 0, 0))
  return function(nonce, text)
    return tag(schedule, multiples, nonce, text, '')
  end
end

function aes.ctr(key)
  local schedule = aes_schedule(key)
  return function(nonce, text)
    return counter_mode(schedule, nonce, 1, text)
  end
end

return aes
