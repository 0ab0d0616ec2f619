-- The AEAD algorithms of NGISec, for opening only: AES-GCM (NIST SP 800-38D, RFC 4106) and ChaCha20-Poly1305 (RFC 8439).
--
-- In plain Lua because the API of Wireshark 4.0 has no ciphers. It is for captures, not for secrets: table look-ups
-- take time that depends on the key. `bit` is Lua BitOp, which Wireshark brings: its words are signed, 32 bits.
--
-- ngisec.lua takes what this file returns. Run by Wireshark as a plugin of its own it does nothing.

local band, bxor, bor = bit.band, bit.bxor, bit.bor
local lshift, rshift, ror, rol, tobit = bit.lshift, bit.rshift, bit.ror, bit.rol, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep

local BLOCK_BYTES = 16

local function word(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return tobit(((a * 256 + b) * 256 + c) * 256 + d)
end

local function word_le(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return tobit(((d * 256 + c) * 256 + b) * 256 + a)
end

local function octets(w)
  return char(rshift(w, 24), band(rshift(w, 16), 255), band(rshift(w, 8), 255), band(w, 255))
end

local function octets_le(w)
  return char(band(w, 255), band(rshift(w, 8), 255), band(rshift(w, 16), 255), rshift(w, 24))
end

--- Zeros up to the next multiple of 16 octets.
local function padded(text)
  return text .. rep('\0', -#text % BLOCK_BYTES)
end

-- AES, encryption only (FIPS 197) -------------------------------------------------------------------------------------

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

-- GHASH (NIST SP 800-38D section 6.4), a table of 256 multiples of H -------------------------------------------------

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

--- Exclusive or of a text with a key stream, which `block(number)` gives as text of `size` octets, from number 0.
local function with_key_stream(text, size, to_word, to_octets, block)
  local input = text .. rep('\0', -#text % size)
  local output = {}
  for at = 1, #input, size do
    local stream = { block((at - 1) / size) }
    for index = 1, size / 4 do
      output[#output + 1] = to_octets(bxor(to_word(input, at + 4 * index - 4), stream[index]))
    end
  end
  return table.concat(output):sub(1, #text)
end

local function aes_gcm(key)
  local schedule = aes_schedule(key)
  local multiples = ghash_table(aes_encrypt(schedule, 0, 0, 0, 0))
  return function(nonce, associated, ciphertext, icv)
    local n1, n2, n3 = word(nonce, 1), word(nonce, 5), word(nonce, 9)
    local lengths = octets(0) .. octets(8 * #associated) .. octets(0) .. octets(8 * #ciphertext)
    local a, b, c, d = ghash(multiples, padded(associated) .. padded(ciphertext) .. lengths)
    local e, f, g, h = aes_encrypt(schedule, n1, n2, n3, 1)
    local expected = octets(bxor(a, e)) .. octets(bxor(b, f)) .. octets(bxor(c, g)) .. octets(bxor(d, h))
    local plaintext = with_key_stream(ciphertext, BLOCK_BYTES, word, octets, function(number)
      return aes_encrypt(schedule, n1, n2, n3, number + 2)
    end)
    return plaintext, expected == icv
  end
end

-- ChaCha20 and Poly1305 (RFC 8439) -------------------------------------------------------------------------------------

local CHACHA_BLOCK_BYTES = 64
local QUARTERS = {
  { 1, 5, 9, 13 }, { 2, 6, 10, 14 }, { 3, 7, 11, 15 }, { 4, 8, 12, 16 },
  { 1, 6, 11, 16 }, { 2, 7, 12, 13 }, { 3, 8, 9, 14 }, { 4, 5, 10, 15 },
}

local function chacha20_words(key, nonce, counter)
  local start = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }
  for index = 0, 7 do start[5 + index] = word_le(key, 1 + 4 * index) end
  start[13] = counter
  for index = 0, 2 do start[14 + index] = word_le(nonce, 1 + 4 * index) end
  local s = {}
  for index = 1, 16 do s[index] = start[index] end
  for _ = 1, 10 do
    for _, quarter in ipairs(QUARTERS) do
      local i, j, k, l = quarter[1], quarter[2], quarter[3], quarter[4]
      local a, b, c, d = s[i], s[j], s[k], s[l]
      a = tobit(a + b)
      d = rol(bxor(d, a), 16)
      c = tobit(c + d)
      b = rol(bxor(b, c), 12)
      a = tobit(a + b)
      d = rol(bxor(d, a), 8)
      c = tobit(c + d)
      s[i], s[j], s[k], s[l] = a, rol(bxor(b, c), 7), c, d
    end
  end
  for index = 1, 16 do s[index] = tobit(s[index] + start[index]) end
  return s
end

--- Up to 17 octets, below 2^130, as ten limbs of 13 bits: products of limbs then add up exactly in a Lua number.
local function limbs(text)
  local result, all = {}, text .. rep('\0', 19 - #text)
  for index = 0, 9 do
    local bit_at = 13 * index
    local at = (bit_at - bit_at % 8) / 8 + 1
    local low, middle, high = byte(all, at, at + 2)
    result[index] = band(rshift(high * 65536 + middle * 256 + low, bit_at % 8), 8191)
  end
  return result
end

--- Carries limbs above 13 bits along; what leaves the top comes back times five, for 2^130 is 5.
local function carry(h)
  local over = 0
  for index = 0, 9 do
    local value = h[index] + over
    h[index] = value % 8192
    over = (value - h[index]) / 8192
  end
  h[0] = h[0] + 5 * over
end

--- The limbs, below 2^130, less 2^130 - 5 where they are not below it.
local function reduced(h)
  local less, over = {}, 5
  for index = 0, 9 do
    local value = h[index] + over
    less[index] = value % 8192
    over = (value - less[index]) / 8192
  end
  return over > 0 and less or h
end

local function poly1305(key, text)
  local clamped = {}
  for index = 1, 16 do
    local mask = ({ [0] = 15, 255, 255, 255 })[index % 4]
    if index % 4 == 1 and index > 1 then mask = 252 end
    clamped[index] = char(band(byte(key, index), mask))
  end
  local r, h = limbs(table.concat(clamped) .. '\0'), limbs(rep('\0', 17))
  for at = 1, #text, BLOCK_BYTES do
    local m, product = limbs(text:sub(at, at + 15) .. '\1'), {}
    for index = 0, 9 do h[index] = h[index] + m[index] end
    for index = 0, 9 do
      local sum = 0
      for i = 0, 9 do
        sum = sum + (i <= index and h[i] * r[index - i] or 5 * h[i] * r[10 + index - i])
      end
      product[index] = sum
    end
    h = product
    carry(h)
    carry(h)
  end
  carry(h)
  h = reduced(h)
  local tag, bits, have, over, at = {}, 0, 0, 0, 0
  for index = 1, 16 do
    while have < 8 and at < 10 do
      bits, have, at = bits + h[at] * 2 ^ have, have + 13, at + 1
    end
    local sum = bits % 256 + byte(key, 16 + index) + over
    tag[index] = char(sum % 256)
    over = sum >= 256 and 1 or 0
    bits, have = (bits - bits % 256) / 256, have - 8
  end
  return table.concat(tag)
end

local function chacha20_poly1305(key)
  return function(nonce, associated, ciphertext, icv)
    local first, one_time = chacha20_words(key, nonce, 0), {}
    for index = 1, 8 do one_time[index] = octets_le(first[index]) end
    local lengths = octets_le(#associated) .. octets_le(0) .. octets_le(#ciphertext) .. octets_le(0)
    local expected = poly1305(table.concat(one_time), padded(associated) .. padded(ciphertext) .. lengths)
    local plaintext = with_key_stream(ciphertext, CHACHA_BLOCK_BYTES, word_le, octets_le, function(number)
      return (table.unpack or unpack)(chacha20_words(key, nonce, number + 1))
    end)
    return plaintext, expected == icv
  end
end

return {
  --- By name: octets of the key, and `with(key)`, which returns `open(nonce, associated, ciphertext, icv)`; that returns
  --- the plaintext and whether the ICV is right.
  suites = {
    ['aes-128-gcm'] = { key_bytes = 16, with = aes_gcm },
    ['aes-256-gcm'] = { key_bytes = 32, with = aes_gcm },
    ['chacha20-poly1305'] = { key_bytes = 32, with = chacha20_poly1305 },
  },
  --- For its published vectors.
  poly1305 = poly1305,
}
