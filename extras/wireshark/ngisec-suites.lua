-- What an SA of each suite does to a packet, and the key log. Part of ngisec.lua.

local folder = debug.getinfo(1, 'S').source:match('^@(.*[/\\])') or ''
local aes = dofile(folder .. 'ngisec-aes.lua')
local chacha = dofile(folder .. 'ngisec-chacha.lua')
local sha = dofile(folder .. 'ngisec-sha.lua')

local SALT_BYTES = 4
local IV_BYTES = 8

--- An algorithm made ready with its key and salt: it takes the sequence number's 8 octets in place of the nonce.
local function salted(algorithm, material)
  local keyed, salt = algorithm(material:sub(1, -1 - SALT_BYTES)), material:sub(-SALT_BYTES)
  return function(number, ...)
    return keyed(salt .. number, ...)
  end
end

local function hmac(material)
  local keyed = sha.hmac_sha_256_128(material)
  return function(_, text)
    return keyed(text)
  end
end

local function gmac(material)
  return salted(aes.gmac, material)
end

--- ESP alone. `open(number, associated, ciphertext, icv)` returns the plaintext, and whether the ICV is right.
local function compact(key_bytes, open_with)
  local material_bytes = key_bytes + SALT_BYTES
  return { profile = 'compact', material_bytes = material_bytes, iv_bytes = 0, mac_iv_bytes = 0, with = open_with }
end

local function aead(key_bytes, algorithm)
  return compact(key_bytes, function(material)
    return salted(algorithm, material)
  end)
end

--- AH authenticates, ESP encrypts or not. The sequence number's high half ends what the ICV covers (RFC 4302, 3.3.3).
local function ah_esp(cipher_bytes, mac_bytes, mac, mac_iv_bytes)
  return {
    profile = 'ah-esp',
    material_bytes = cipher_bytes + mac_bytes,
    iv_bytes = cipher_bytes > 0 and IV_BYTES or 0,
    mac_iv_bytes = mac_iv_bytes,
    with = function(material)
      local decrypt = cipher_bytes > 0 and salted(aes.ctr, material:sub(1, cipher_bytes))
      local tag = mac(material:sub(cipher_bytes + 1))
      return function(number, associated, ciphertext, icv)
        local is_right = tag(number, associated .. ciphertext .. number:sub(1, 4)) == icv
        return decrypt and decrypt(number, ciphertext) or ciphertext, is_right
      end
    end,
  }
end

local suites = {
  ['aes-128-gcm'] = aead(16, aes.gcm),
  ['aes-256-gcm'] = aead(32, aes.gcm),
  ['chacha20-poly1305'] = aead(32, chacha.chacha20_poly1305),
  ['aes-128-gmac'] = compact(16, function(material)
    local tag = gmac(material)
    return function(number, associated, plaintext, icv)
      return plaintext, tag(number, associated .. plaintext) == icv
    end
  end),
  ['aes-128-ctr-hmac-sha-256-128'] = ah_esp(16 + SALT_BYTES, 32, hmac, 0),
  ['aes-128-ctr-gmac'] = ah_esp(16 + SALT_BYTES, 16 + SALT_BYTES, gmac, IV_BYTES),
  ['null-hmac-sha-256-128'] = ah_esp(0, 32, hmac, 0),
  ['null-aes-128-gmac'] = ah_esp(0, 16 + SALT_BYTES, gmac, IV_BYTES),
}
local scopes = { full = 1, ports = 2, none = 3 }

local function from_hex(text)
  return (text:gsub('%x%x', function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

--- An SA from a line `ngisec-sa SPI ROLE SUITE SCOPE KEYING-MATERIAL NAME`; nil and what is wrong with it otherwise.
local function parse_sa(line)
  local spi, role, suite_name, scope, material, name =
    line:match('^ngisec%-sa%s+(%x+)%s+(%S+)%s+(%S+)%s+(%S+)%s+(%x+)%s+(%S.-)%s*$')
  if not spi or #spi > 8 then return nil, 'is no SA' end
  local suite = suites[suite_name]
  if not suite then return nil, 'has an unknown suite' end
  if not scopes[scope] then return nil, 'has an unknown scope' end
  if #material ~= 2 * suite.material_bytes then return nil, 'has a key of the wrong length' end
  local sa = { spi = tonumber(spi, 16), role = role, suite = suite_name, scope = scope, name = name }
  sa.profile, sa.iv_bytes, sa.mac_iv_bytes = suite.profile, suite.iv_bytes, suite.mac_iv_bytes
  sa.spi_octets, sa.scope_number = from_hex(('%08x'):format(sa.spi)), scopes[scope]
  -- Made ready when first needed: a key log may hold far more SAs than a capture.
  function sa.open(...)
    sa.open = suite.with(from_hex(material))
    return sa.open(...)
  end
  return sa
end

--- The SAs of a key log by SPI, each a list, for two receivers may have chosen the same; mistakes go to `complain`.
local function read_key_log(path, complain)
  local sas, number = {}, 0
  local file, problem = io.open(path, 'r')
  if not file then
    complain(problem)
    return sas
  end
  for line in file:lines() do
    number = number + 1
    if line:find('^%s*[^#%s]') then
      local sa, wrong = parse_sa(line)
      if sa then
        sas[sa.spi] = sas[sa.spi] or {}
        table.insert(sas[sa.spi], sa)
      else
        complain(('%s:%d %s'):format(path, number, wrong))
      end
    end
  end
  file:close()
  return sas
end

return { read_key_log = read_key_log }
