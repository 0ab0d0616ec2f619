-- ChaCha20-Poly1305 (RFC 8439). Part of ngisec.lua.

local folder = debug.getinfo(1, 'S').source:match('^@(.*[/\\])') or ''
local words = dofile(folder .. 'ngisec-words.lua')
local word_le, octets_le, padded, with_key_stream = words.word_le, words.octets_le, words.padded, words.with_key_stream

local band, bxor, rshift, rol, tobit = bit.band, bit.bxor, bit.rshift, bit.rol, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep
local unpack = table.unpack or unpack

local BLOCK_BYTES = 16
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

--- Returns `open(nonce, associated, ciphertext, icv)`: the plaintext, and whether the ICV is right.
local function chacha20_poly1305(key)
  return function(nonce, associated, ciphertext, icv)
    local first, one_time = chacha20_words(key, nonce, 0), {}
    for index = 1, 8 do one_time[index] = octets_le(first[index]) end
    local lengths = octets_le(#associated) .. octets_le(0) .. octets_le(#ciphertext) .. octets_le(0)
    local expected = poly1305(table.concat(one_time), padded(associated, 16) .. padded(ciphertext, 16) .. lengths)
    local plaintext = with_key_stream(ciphertext, CHACHA_BLOCK_BYTES, word_le, octets_le, function(number)
      return unpack(chacha20_words(key, nonce, number + 1))
    end)
    return plaintext, expected == icv
  end
end

return { poly1305 = poly1305, chacha20_poly1305 = chacha20_poly1305 }
