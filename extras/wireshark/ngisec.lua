-- Wireshark dissector of NGISec: shows the shim behind TCP, UDP and ICMP echo headers, and opens it with a key log.
-- The format is in docs/protocol.md, installation and use in docs/wireshark.md. Needs the other files beside it.
--
-- A post-dissector, because Wireshark asks no heuristic about TCP segments it takes for retransmissions, and every
-- NGISec segment looks like one: it is longer on the wire than its sequence numbers say. Heuristics come on top, to
-- keep the dissectors of ports off the ciphertext.

local folder = debug.getinfo(1, 'S').source:match('^@(.*[/\\])') or ''
local packets = dofile(folder .. 'ngisec-packet.lua')
local read_key_log = dofile(folder .. 'ngisec-suites.lua').read_key_log

local ESP_HEADER_BYTES = 8
local ICV_BYTES = 16
local TRAILER_BYTES = 2
local SHIM_BYTES_MIN = ESP_HEADER_BYTES + 4 + ICV_BYTES
local SPI_MIN = 256
local ESP = 50
local AH_FIXED_BYTES = 12
-- An ICV, in IPv6 with padding to 8 octets; with GMAC an IV before it.
local AH_BYTES_MIN, AH_BYTES_MAX = 28, 40
local IPV4_PACKET, IPV6_PACKET, CONTROL_MESSAGE, TRANSPORT_DATA = 4, 41, 252, 254

local statuses = {
  [0] = 'no key',
  [1] = 'verified',
  [2] = 'verified with the emitted header restored',
  [3] = 'not verified',
  [4] = 'not verified: captured in part',
}
local NO_KEY, VERIFIED, RESTORED, FAILED, PARTIAL = 0, 1, 2, 3, 4

local next_headers = {
  [IPV4_PACKET] = 'IPv4 packet: encapsulating duplicate',
  [IPV6_PACKET] = 'IPv6 packet: encapsulating duplicate',
  [CONTROL_MESSAGE] = 'control message',
  [TRANSPORT_DATA] = 'transport data',
}
local items = { [1] = 'mapping', [2] = 'confirmation', [3] = 'need-mapping', [4] = 'declaration' }
local declared_suites = {
  [1] = 'aes-128-gcm',
  [2] = 'aes-256-gcm',
  [3] = 'chacha20-poly1305',
  [4] = 'aes-128-gmac',
  [5] = 'aes-128-ctr-hmac-sha-256-128',
  [6] = 'aes-128-ctr-gmac',
  [7] = 'null-hmac-sha-256-128',
  [8] = 'null-aes-128-gmac',
}
local declared_modes = { [1] = 'lan', [2] = 'vpn' }

local ngisec = Proto('ngisec', 'NGISec')
local f = {
  profile = ProtoField.string('ngisec.profile', 'Profile'),
  kind = ProtoField.string('ngisec.kind', 'Kind', base.ASCII, 'control or data'),
  ah_next = ProtoField.uint8('ngisec.ah.next', 'AH next header'),
  ah_length = ProtoField.uint8('ngisec.ah.length', 'AH length', base.DEC, nil, nil, '32-bit words less 2'),
  ah_spi = ProtoField.uint32('ngisec.ah.spi', 'AH SPI', base.HEX),
  ah_sequence = ProtoField.uint32('ngisec.ah.seq', 'AH sequence number, low half'),
  ah_rest = ProtoField.bytes('ngisec.ah.rest', 'AH IV, ICV and padding'),
  iv = ProtoField.bytes('ngisec.iv', 'IV'),
  spi = ProtoField.uint32('ngisec.spi', 'SPI', base.HEX),
  sequence = ProtoField.uint32('ngisec.seq', 'Sequence number, low half'),
  ciphertext = ProtoField.bytes('ngisec.ciphertext', 'Ciphertext'),
  ciphertext_length = ProtoField.uint32('ngisec.ciphertext.len', 'Ciphertext length'),
  icv = ProtoField.bytes('ngisec.icv', 'ICV'),
  sa = ProtoField.string('ngisec.sa', 'Security association'),
  role = ProtoField.string('ngisec.role', 'Role'),
  suite = ProtoField.string('ngisec.suite', 'Suite'),
  scope = ProtoField.string('ngisec.scope', 'Scope'),
  mode = ProtoField.string('ngisec.mode', 'Mode'),
  status = ProtoField.uint8('ngisec.status', 'Status', base.DEC, statuses),
  emitted = ProtoField.string('ngisec.emitted', 'Emitted header'),
  plaintext = ProtoField.bytes('ngisec.plaintext', 'Plaintext'),
  data = ProtoField.bytes('ngisec.data', 'Transport data'),
  duplicate = ProtoField.bytes('ngisec.duplicate', 'Duplicate'),
  padding = ProtoField.bytes('ngisec.padding', 'Padding'),
  pad_length = ProtoField.uint8('ngisec.padding.len', 'Pad length'),
  next_header = ProtoField.uint8('ngisec.next', 'Next header', base.DEC, next_headers),
  item = ProtoField.uint8('ngisec.item', 'Item', base.DEC, items),
  item_length = ProtoField.uint16('ngisec.item.len', 'Length of value'),
  mapping = ProtoField.string('ngisec.mapping', 'Emitted header'),
  declared_spi = ProtoField.uint32('ngisec.declaration.spi', 'Data SPI', base.HEX),
  declared_suite = ProtoField.uint8('ngisec.declaration.suite', 'Suite', base.DEC, declared_suites),
  declared_mode = ProtoField.uint8('ngisec.declaration.mode', 'Mode', base.DEC, declared_modes),
}
local fields = {}
for _, field in pairs(f) do fields[#fields + 1] = field end
ngisec.fields = fields

local function warning(name, text)
  return ProtoExpert.new('ngisec.expert.' .. name, text, expert.group.PROTOCOL, expert.severity.WARN)
end
local e = {
  failed = warning('not_verified', 'ICV not verified: another key, or headers or octets changed on the way'),
  padding = warning('padding', 'Padding is not 1, 2, 3'),
  item = warning('item', 'Item does not fit'),
}
ngisec.experts = { e.failed, e.padding, e.item }

ngisec.prefs.key_log = Pref.string('Key log', '', 'File that `ngisec run --key-log` wrote')
ngisec.prefs.guess = Pref.bool(
  'Guess shims without a key log',
  false,
  'Take for a shim whatever fits one in length, SPI and a sequence number below 65536'
)
ngisec.prefs.show_unverified = Pref.bool(
  'Show plaintext that did not verify',
  false,
  'What a wrong key makes of a packet, or a right one of a packet that was altered on its way'
)

-- What is known of a capture ----------------------------------------------------------------------------------------

--- SAs by SPI, in lists.
local sas = {}
--- Modes that declarations announced, by data SPI.
local modes = {}
--- Emitted headers by flow as it is outside, as control packets between gateways taught them.
local mappings = {}
--- What became of a shim when it was first seen: later ones must not change it.
local results = {}

--- Says it once: Wireshark initialises dissectors more than once for a file.
local complaints = {}
local function complain(text)
  if not complaints[text] then report_failure('NGISec key log: ' .. text) end
  complaints[text] = true
end

function ngisec.init()
  local path = ngisec.prefs.key_log
  sas = path == '' and {} or read_key_log(path, complain)
  modes, mappings, results = {}, {}, {}
end

local function mode_of(sa)
  if sa.role == 'control' then return nil end
  return modes[sa.spi] or (sa.role == 'both' and 'lan' or sa.scope == 'ports' and 'n2n' or 'vpn')
end

-- The shim ----------------------------------------------------------------------------------------------------------

--- The shim of `length` octets at an offset, of which fewer may be captured; nil where there is none.
local function find_shim(tvb, at, length)
  if tvb:len() - at < ESP_HEADER_BYTES or length < SHIM_BYTES_MIN then return nil end
  local function is_plausible(spi, sequence)
    return sas[spi] or (ngisec.prefs.guess and spi >= SPI_MIN and sequence > 0 and sequence < 65536)
  end
  local have = tvb:len() - at
  if tvb(at, 1):uint() == ESP and have >= AH_FIXED_BYTES then
    local ah_bytes = 4 * (tvb(at + 1, 1):uint() + 2)
    local esp = at + ah_bytes
    local is_ah = tvb(at + 2, 2):uint() == 0 and ah_bytes >= AH_BYTES_MIN and ah_bytes <= AH_BYTES_MAX
    local fits = is_ah and ah_bytes + ESP_HEADER_BYTES < length
    if fits and is_plausible(tvb(at + 4, 4):uint(), tvb(at + 8, 4):uint()) then
      return { profile = 'ah-esp', at = at, esp = esp, spi_at = at + 4, finish = at + length }
    end
  end
  local is_aligned = (length - ESP_HEADER_BYTES - ICV_BYTES) % 4 == 0
  if not is_aligned or not is_plausible(tvb(at, 4):uint(), tvb(at + 4, 4):uint()) then return nil end
  return { profile = 'compact', at = at, esp = at, spi_at = at, finish = at + length }
end

--- Where ICV, ciphertext and its end are; IVs are there as the SA says, none where it is not known.
local function parts_of(shim, sa)
  local iv_at = shim.esp + ESP_HEADER_BYTES
  if shim.profile == 'compact' then return shim.finish - ICV_BYTES, iv_at, shim.finish - ICV_BYTES end
  return shim.at + AH_FIXED_BYTES + (sa and sa.mac_iv_bytes or 0), iv_at + (sa and sa.iv_bytes or 0), shim.finish
end

-- Opening -----------------------------------------------------------------------------------------------------------

--- Plaintext, and whether the ICV is right under an SA and headers. The sequence number's high half is taken to be 0.
local function try(tvb, shim, sa, headers)
  local icv_at, ciphertext_at, finish = parts_of(shim, sa)
  local fits = finish - ciphertext_at >= 4 and (shim.profile == 'compact' or icv_at + ICV_BYTES <= shim.esp)
  if sa.profile ~= shim.profile or not fits then return nil, false end
  local number = '\0\0\0\0' .. tvb:raw(shim.spi_at + 4, 4)
  local associated = packets.image(headers, sa.scope_number)
  if shim.profile == 'compact' then
    associated = sa.spi_octets .. number .. associated
  else
    local before, behind = tvb:raw(shim.at, icv_at - shim.at), icv_at + ICV_BYTES
    associated = associated .. before .. ('\0'):rep(ICV_BYTES) .. tvb:raw(behind, ciphertext_at - behind)
  end
  return sa.open(number, associated, tvb:raw(ciphertext_at, finish - ciphertext_at), tvb:raw(icv_at, ICV_BYTES))
end

--- Status and SA; plaintext where there is one; what the headers were, where they are others on the wire.
local function open(tvb, packet, shim)
  local candidates = sas[tvb(shim.spi_at, 4):uint()]
  if not candidates then return { status = NO_KEY } end
  local result = { status = FAILED, sa = candidates[1] }
  if shim.finish > tvb:len() then return { status = PARTIAL, sa = candidates[1] } end
  local headers = packets.headers_of(tvb, packet)
  local emitted = mappings[packets.flow_of(headers)]
  for _, sa in ipairs(candidates) do
    local plaintext, is_right = try(tvb, shim, sa, headers)
    if is_right then return { status = VERIFIED, sa = sa, plaintext = plaintext } end
    if emitted then
      local restored
      restored, is_right = try(tvb, shim, sa, packets.restored(headers, emitted))
      if is_right then return { status = RESTORED, sa = sa, plaintext = restored, emitted = emitted } end
    end
    result.plaintext = result.plaintext or plaintext
  end
  return result
end

--- Learns what a NAT did to the flow of a control packet from the duplicate of its headers.
local function learn(tvb, packet, inner_tvb, inner_at)
  local inner = packets.locate(inner_tvb, inner_at)
  if not inner or inner.protocol ~= packet.protocol or inner.address_bytes ~= packet.address_bytes then return nil end
  local emitted = packets.headers_of(inner_tvb, inner)
  emitted.text = packets.describe(inner_tvb, inner)
  mappings[packets.flow_of(packets.headers_of(tvb, packet))] = emitted
  return emitted
end

local PACKET_FIELDS = { 'src', 'dst', 'net_src', 'net_dst', 'src_port', 'dst_port' }

-- Showing -----------------------------------------------------------------------------------------------------------

local function show_shim(tvb, shim, sa, tree)
  local have = tvb:len()
  local function add(field, at, finish)
    if at < finish and finish <= have then tree:add(field, tvb(at, finish - at)) end
  end
  local icv_at, ciphertext_at, finish = parts_of(shim, sa)
  if shim.profile == 'ah-esp' then
    add(f.ah_next, shim.at, shim.at + 1)
    add(f.ah_length, shim.at + 1, shim.at + 2)
    add(f.ah_spi, shim.at + 4, shim.at + 8)
    add(f.ah_sequence, shim.at + 8, shim.at + 12)
    if sa then
      add(f.iv, shim.at + AH_FIXED_BYTES, icv_at)
      add(f.icv, icv_at, icv_at + ICV_BYTES)
    else
      add(f.ah_rest, icv_at, shim.esp)
    end
  end
  add(f.spi, shim.esp, shim.esp + 4)
  add(f.sequence, shim.esp + 4, shim.esp + 8)
  add(f.iv, shim.esp + ESP_HEADER_BYTES, ciphertext_at)
  add(f.ciphertext, ciphertext_at, finish)
  tree:add(f.ciphertext_length, math.max(0, finish - ciphertext_at)):set_generated()
  if shim.profile == 'compact' then add(f.icv, icv_at, shim.finish) end
end

local function show_sa(sa, tree)
  local branch = tree:add(f.sa, sa.name):set_generated()
  for _, name in ipairs({ 'role', 'suite', 'scope' }) do branch:add(f[name], sa[name]):set_generated() end
  local mode = mode_of(sa)
  if mode then branch:add(f.mode, mode):set_generated() end
end

local function show_items(tvb, at, finish, tree, is_trusted, packet, outer_tvb)
  while at + 4 <= finish do
    local kind, length = tvb(at, 1):uint(), tvb(at + 2, 2):uint()
    local value = at + 4
    local item = tree:add(f.item, tvb(at, 1))
    item:add(f.item_length, tvb(at + 2, 2))
    if length % 4 ~= 0 or value + length > finish then return item:add_proto_expert_info(e.item) end
    item:set_len(4 + length)
    if kind == 1 and length > 0 then
      local emitted = is_trusted and learn(outer_tvb, packet, tvb, value)
      if emitted then item:add(f.mapping, tvb(value, length), emitted.text) end
    elseif kind == 4 and length == 8 then
      item:add(f.declared_spi, tvb(value, 4))
      item:add(f.declared_suite, tvb(value + 4, 1))
      item:add(f.declared_mode, tvb(value + 5, 1))
      if is_trusted then modes[tvb(value, 4):uint()] = declared_modes[tvb(value + 5, 1):uint()] end
    end
    at = value + length
  end
end

--- Dissects a duplicate as the IP packet it is, and leaves columns, addresses and ports to the packet around it.
local function show_duplicate(inner_tvb, next_header, pinfo, root)
  local columns, kept = pinfo.cols, {}
  for _, name in ipairs(PACKET_FIELDS) do kept[name] = pinfo[name] end
  local protocol, text = tostring(columns.protocol), tostring(columns.info)
  Dissector.get(next_header == IPV4_PACKET and 'ip' or 'ipv6'):call(inner_tvb, pinfo, root)
  for _, name in ipairs(PACKET_FIELDS) do pinfo[name] = kept[name] end
  columns.info:clear_fence()
  columns.protocol, columns.info = protocol, text
end

local function show_plaintext(tvb, packet, result, pinfo, tree, root)
  local is_trusted = result.status ~= FAILED
  local inner_tvb = ByteArray.new(result.plaintext, true):tvb('Opened NGISec packet')
  local length = inner_tvb:len()
  local branch = tree:add(f.plaintext, inner_tvb())
  local pad_length = inner_tvb(length - TRAILER_BYTES, 1):uint()
  local next_header = inner_tvb(length - 1, 1):uint()
  local finish = length - TRAILER_BYTES - pad_length
  if finish < 0 then return branch:add_proto_expert_info(e.padding) end
  if next_header == CONTROL_MESSAGE then
    show_items(inner_tvb, 0, finish, branch, is_trusted, packet, tvb)
  elseif next_header == IPV4_PACKET or next_header == IPV6_PACKET then
    if finish > 0 then branch:add(f.duplicate, inner_tvb(0, finish)) end
    if is_trusted then learn(tvb, packet, inner_tvb, 0) end
  elseif finish > 0 then
    branch:add(f.data, inner_tvb(0, finish))
  end
  if pad_length > 0 then
    local padding = branch:add(f.padding, inner_tvb(finish, pad_length))
    local is_right = inner_tvb:raw(finish, pad_length) == ('\1\2\3'):sub(1, pad_length)
    if not is_right then padding:add_proto_expert_info(e.padding) end
  end
  branch:add(f.pad_length, inner_tvb(length - TRAILER_BYTES, 1))
  branch:add(f.next_header, inner_tvb(length - 1, 1))
  local is_packet = next_header == IPV4_PACKET or next_header == IPV6_PACKET
  if is_packet and is_trusted and finish > 0 then
    show_duplicate(inner_tvb(0, finish):tvb(), next_header, pinfo, root)
  end
end

--- Control or data, from the SA, or from the SYN that makes a TCP packet a control packet; nil where nothing tells.
local function kind_of(tvb, packet, sa)
  if sa and sa.role ~= 'both' then return sa.role end
  if packet.protocol ~= packets.TCP then return sa and 'data' end
  return tvb(packet.transport + 13, 1):bitfield(6, 1) == 1 and 'control' or 'data'
end

local function show(tvb, packet, shim, pinfo, root)
  local spi, sequence = tvb(shim.spi_at, 4):uint(), tvb(shim.spi_at + 4, 4):uint()
  local identity = ('%d:%d:%08x:%d'):format(pinfo.number, shim.at, spi, sequence)
  local result = results[identity] or open(tvb, packet, shim)
  results[identity] = result
  local kind = kind_of(tvb, packet, result.sa)
  local title = ('NGISec %s, SPI 0x%08x, sequence %d, %s'):format(
    kind or shim.profile, spi, sequence, statuses[result.status]
  )
  local shown = math.min(shim.finish, tvb:len()) - shim.at
  local tree = root:add(ngisec, tvb(shim.at, shown), title)
  tree:add(f.profile, shim.profile):set_generated()
  if kind then tree:add(f.kind, kind):set_generated() end
  show_shim(tvb, shim, result.sa, tree)
  if result.sa then show_sa(result.sa, tree) end
  local status = tree:add(f.status, result.status):set_generated()
  if result.status == FAILED then status:add_proto_expert_info(e.failed) end
  if result.emitted then tree:add(f.emitted, result.emitted.text):set_generated() end
  pinfo.cols.protocol = 'NGISec'
  pinfo.cols.info:append(('  [NGISec %s, SPI 0x%08x, %s]'):format(kind or '', spi, statuses[result.status]))
  if result.plaintext and (result.status ~= FAILED or ngisec.prefs.show_unverified) then
    show_plaintext(tvb, packet, result, pinfo, tree, root)
  end
end

local ip_layers = { Field.new('ip'), Field.new('ipv6') }

function ngisec.dissector(tvb, pinfo, root)
  for _, layer in ipairs(ip_layers) do
    for _, info in ipairs({ layer() }) do
      -- Offsets of reassembled or inner packets count from elsewhere.
      local at = info.offset
      local is_here = at + info.len <= tvb:len() and tvb:raw(at, info.len) == info.range:raw()
      local packet = is_here and packets.locate(tvb, at)
      local shim = packet and find_shim(tvb, packet.payload, packet.finish - packet.payload)
      if shim then show(tvb, packet, shim, pinfo, root) end
    end
  end
end

--- Keeps the dissectors of ports off a payload that the post-dissector will show.
local function claim(tvb)
  return find_shim(tvb, 0, tvb:reported_len()) ~= nil
end

register_postdissector(ngisec)
for _, protocol in ipairs({ 'tcp', 'udp', 'icmp', 'icmpv6' }) do ngisec:register_heuristic(protocol, claim) end
