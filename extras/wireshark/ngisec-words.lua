-- Texts as 32-bit words and back, and key streams.
--
-- The API of Wireshark 4.0 has no ciphers, so the files beside this one have them in plain Lua; for captures, not for
-- secrets: table look-ups take time that depends on the key. `bit` is Lua BitOp, which Wireshark brings: its words are
-- signed. Part of ngisec.lua; run by Wireshark as a plugin of its own it does nothing, like the other parts.

local band, bxor, rshift, tobit = bit.band, bit.bxor, bit.rshift, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep

local words = {}

function words.word(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return tobit(((a * 256 + b) * 256 + c) * 256 + d)
end

function words.word_le(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return tobit(((d * 256 + c) * 256 + b) * 256 + a)
end

function words.octets(w)
  return char(rshift(w, 24), band(rshift(w, 16), 255), band(rshift(w, 8), 255), band(w, 255))
end

function words.octets_le(w)
  return char(band(w, 255), band(rshift(w, 8), 255), band(rshift(w, 16), 255), rshift(w, 24))
end

--- Zeros up to the next multiple of `size` octets.
function words.padded(text, size)
  return text .. rep('\0', -#text % size)
end

--- Exclusive or of a text with a key stream; `block(number)` gives `size` octets of it as words, from number 0.
function words.with_key_stream(text, size, to_word, to_octets, block)
  local input, output = words.padded(text, size), {}
  for at = 1, #input, size do
    local stream = { block((at - 1) / size) }
    for index = 1, size / 4 do
      output[#output + 1] = to_octets(bxor(to_word(input, at + 4 * index - 4), stream[index]))
    end
  end
  return table.concat(output):sub(1, #text)
end

return words
