-- Wireshark dissector of NGISec: shows the shim behind TCP, UDP and ICMP echo headers, and opens it with a key log.
-- The format is in docs/protocol.md, installation and use in docs/wireshark.md. Needs ngisec-aead.lua beside it.
--
-- A post-dissector, because Wireshark asks no heuristic about TCP segments it takes for retransmissions, and every
-- NGISec segment looks like one: it is longer on the wire than its sequence numbers say. Heuristics come on top, to
-- keep the dissectors of ports off the ciphertext.

local suites = dofile((__FILE__:match('^.*[/\\]') or '') .. 'ngisec-aead.lua').suites

local ESP_HEADER_BYTES = 8
local ICV_BYTES = 16
local TRAILER_BYTES = 2
local SHIM_BYTES_MIN = ESP_HEADER_BYTES + 4 + ICV_BYTES
local SALT_BYTES = 4
local SPI_MIN = 256
local ESP = 50
local AH_FIXED_BYTES = 12
local TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
local IPV4_PACKET, IPV6_PACKET, CONTROL_MESSAGE, TRANSPORT_DATA = 4, 41, 252, 254

local statuses = {
  [0] = 'no key',
  [1] = 'verified',
  [2] = 'verified with the emitted header restored',
  [3] = 'not verified',
  [4] = 'not verified: captured in part',
  [5] = 'not opened: the dissector only shows the structure of this profile',
}
local NO_KEY, VERIFIED, RESTORED, FAILED, PARTIAL, STRUCTURE_ONLY = 0, 1, 2, 3, 4, 5

local next_headers = {
  [IPV4_PACKET] = 'IPv4 packet: encapsulating duplicate',
  [IPV6_PACKET] = 'IPv6 packet: encapsulating duplicate',
  [CONTROL_MESSAGE] = 'control message',
  [TRANSPORT_DATA] = 'transport data',
}
local items = { [1] = 'mapping', [2] = 'confirmation', [4] = 'declaration' }
local declared_suites = { [1] = 'aes-128-gcm', [2] = 'aes-256-gcm', [3] = 'chacha20-poly1305' }
local declared_modes = { [1] = 'lan', [2] = 'vpn' }
local scopes = { full = 1, ports = 2, none = 3 }

local ngisec = Proto('ngisec', 'NGISec')
local f = {
  profile = ProtoField.string('ngisec.profile', 'Profile'),
  kind = ProtoField.string('ngisec.kind', 'Kind', base.ASCII, 'control or data'),
  ah_next = ProtoField.uint8('ngisec.ah.next', 'AH next header'),
  ah_length = ProtoField.uint8('ngisec.ah.length', 'AH length', base.DEC, nil, nil, '32-bit words less 2'),
  ah_spi = ProtoField.uint32('ngisec.ah.spi', 'AH SPI', base.HEX),
  ah_sequence = ProtoField.uint32('ngisec.ah.seq', 'AH sequence number, low half'),
  ah_icv = ProtoField.bytes('ngisec.ah.icv', 'AH ICV'),
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

local e = {
  failed = ProtoExpert.new('ngisec.expert.not_verified', 'ICV not verified', expert.group.SECURITY, expert.severity.WARN),
  padding = ProtoExpert.new('ngisec.expert.padding', 'Padding is not 1, 2, 3', expert.group.PROTOCOL, expert.severity.WARN),
  item = ProtoExpert.new('ngisec.expert.item', 'Item does not fit', expert.group.PROTOCOL, expert.severity.WARN),
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

-- The key log ----------------------------------------------------------------------------------------------------------

--- By SPI, a list: two receivers may have chosen the same.
local sas = {}
--- Modes that declarations announced, by data SPI.
local modes = {}
--- Emitted addresses and ports by outer ones, as control packets between gateways taught them.
local mappings = {}
--- What became of a shim when it was first seen: later ones must not change it.
local results = {}

local function from_hex(text)
  return (text:gsub('%x%x', function(digits) return string.char(tonumber(digits, 16)) end))
end

--- An SA from a line `ngisec-sa SPI ROLE SUITE SCOPE KEY-AND-SALT NAME`; nil and what is wrong with it otherwise.
local function parse_sa(line)
  local spi, role, suite, scope, material, name =
    line:match('^ngisec%-sa%s+(%x+)%s+(%S+)%s+(%S+)%s+(%S+)%s+(%x+)%s+(%S.-)%s*$')
  if not spi or #spi > 8 then return nil, 'is no SA' end
  if not scopes[scope] then return nil, 'has an unknown scope' end
  local sa = { spi = tonumber(spi, 16), role = role, suite = suite, scope = scope, name = name }
  local algorithm = suites[suite]
  if algorithm then
    if #material ~= 2 * (algorithm.key_bytes + SALT_BYTES) then return nil, 'has a key of the wrong length' end
    sa.salt = from_hex(material:sub(-2 * SALT_BYTES))
    local key = from_hex(material:sub(1, 2 * algorithm.key_bytes))
    -- Made when first needed: a key log may hold far more SAs than a capture.
    sa.open = function(...)
      sa.open = algorithm.with(key)
      return sa.open(...)
    end
  end
  return sa
end

--- Says it once: Wireshark initialises dissectors more than once for a file.
local complaints = {}
local function complain(text)
  if not complaints[text] then report_failure('NGISec key log: ' .. text) end
  complaints[text] = true
end

local function load_key_log(path)
  sas = {}
  if path == '' then return end
  local file, problem = io.open(path, 'r')
  if not file then return complain(problem) end
  local number = 0
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
end

function ngisec.init()
  modes, mappings, results = {}, {}, {}
  load_key_log(ngisec.prefs.key_log)
end

local function mode_of(sa)
  if sa.role == 'control' then return nil end
  return modes[sa.spi] or (sa.role == 'both' and 'lan' or sa.scope == 'ports' and 'n2n' or 'vpn')
end

-- Where things are -----------------------------------------------------------------------------------------------------

local ip_layers = { Field.new('ip'), Field.new('ipv6') }
local IPV6_EXTENSIONS = { [0] = true, [43] = true, [60] = true }

local function transport_bytes(tvb, at, protocol)
  local have = tvb:len() - at
  if protocol == TCP and have >= 20 then return math.max(20, tvb(at + 12, 1):bitfield(0, 4) * 4) end
  if protocol == UDP then return 8 end
  local kind = have >= 1 and tvb(at, 1):uint()
  if protocol == ICMP and (kind == 8 or kind == 0) then return 8 end
  if protocol == ICMPV6 and (kind == 128 or kind == 129) then return 8 end
  return nil
end

--- The parts of the IP packet at an offset; nil where it is none, a fragment, or of another protocol.
local function locate(tvb, at)
  local have = tvb:len()
  local packet = { at = at }
  local version = at < have and tvb(at, 1):bitfield(0, 4)
  if version == 4 and at + 20 <= have then
    local total = tvb(at + 2, 2):uint()
    if bit.band(tvb(at + 6, 2):uint(), 0x3fff) ~= 0 then return nil end
    packet.addresses, packet.address_bytes = at + 12, 4
    packet.protocol = tvb(at + 9, 1):uint()
    packet.transport = at + tvb(at, 1):bitfield(4, 4) * 4
    packet.finish = at + total
  elseif version == 6 and at + 40 <= have then
    packet.addresses, packet.address_bytes = at + 8, 16
    packet.protocol, packet.transport = tvb(at + 6, 1):uint(), at + 40
    packet.finish = at + 40 + tvb(at + 4, 2):uint()
    while IPV6_EXTENSIONS[packet.protocol] and packet.transport + 8 <= have do
      local extension = packet.transport
      packet.protocol = tvb(extension, 1):uint()
      packet.transport = extension + 8 * (tvb(extension + 1, 1):uint() + 1)
    end
  else
    return nil
  end
  local header = transport_bytes(tvb, packet.transport, packet.protocol)
  if not header then return nil end
  packet.payload = packet.transport + header
  if packet.payload > math.min(have, packet.finish) then return nil end
  return packet
end

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
    local fits = tvb(at + 2, 2):uint() == 0 and ah_bytes > AH_FIXED_BYTES and ah_bytes + ESP_HEADER_BYTES < length
    if fits and is_plausible(tvb(at + 4, 4):uint(), tvb(at + 8, 4):uint()) then
      return { profile = 'ah-esp', at = at, esp = esp, spi_at = at + 4, finish = at + length, icv_bytes = 0 }
    end
  end
  local is_aligned = (length - ESP_HEADER_BYTES - ICV_BYTES) % 4 == 0
  if not is_aligned or not is_plausible(tvb(at, 4):uint(), tvb(at + 4, 4):uint()) then return nil end
  return { profile = 'compact', at = at, esp = at, spi_at = at, finish = at + length, icv_bytes = ICV_BYTES }
end

-- Opening --------------------------------------------------------------------------------------------------------------

--- Addresses and ports, or the identifier of an echo, as one text to look up: `addresses` and `ports` as on the wire.
local function tuple(protocol, addresses, ports)
  return string.char(protocol) .. addresses .. ports
end

local function ports_of(protocol, header)
  if protocol == ICMP or protocol == ICMPV6 then return header:sub(5, 6) end
  return header:sub(1, 4)
end

local function with_ports(protocol, header, ports)
  if protocol == ICMP or protocol == ICMPV6 then return header:sub(1, 4) .. ports .. header:sub(7) end
  return ports .. header:sub(5)
end

--- The T header as the ICV covers it: no checksum, no UDP length.
local function covered(protocol, header)
  if protocol == TCP then return header:sub(1, 16) .. '\0\0' .. header:sub(19) end
  if protocol == UDP then return header:sub(1, 4) .. '\0\0\0\0' end
  return header:sub(1, 2) .. '\0\0' .. header:sub(5)
end

local function header_image(sa, protocol, addresses, header)
  local scope = scopes[sa.scope]
  local image = string.char(scope, protocol, math.floor(#header / 256), #header % 256)
  if sa.scope == 'none' then return image end
  return image .. (sa.scope == 'full' and addresses or '') .. covered(protocol, header)
end

--- Tries one SA on a shim whose headers are as given. The high half of the sequence number is taken to be 0.
local function try(sa, sequence, ciphertext, icv, protocol, addresses, header)
  local number = '\0\0\0\0' .. sequence
  local spi = string.format('%08x', sa.spi)
  local associated = from_hex(spi) .. number .. header_image(sa, protocol, addresses, header)
  return sa.open(sa.salt .. number, associated, ciphertext, icv)
end

--- Status, plaintext, SA, and the headers under which the ICV is right where they are not those on the wire.
local function open(tvb, packet, shim)
  local candidates = sas[tvb(shim.spi_at, 4):uint()]
  if not candidates then return { status = NO_KEY } end
  local result = { status = FAILED, sa = candidates[1] }
  if shim.finish > tvb:len() then return { status = PARTIAL, sa = candidates[1] } end
  if shim.profile ~= 'compact' then return { status = STRUCTURE_ONLY, sa = candidates[1] } end
  local ciphertext_at = shim.esp + ESP_HEADER_BYTES
  local icv_at = shim.finish - ICV_BYTES
  local ciphertext, icv = tvb:raw(ciphertext_at, icv_at - ciphertext_at), tvb:raw(icv_at, ICV_BYTES)
  local sequence = tvb:raw(shim.esp + 4, 4)
  local protocol = packet.protocol
  local addresses = tvb:raw(packet.addresses, 2 * packet.address_bytes)
  local header = tvb:raw(packet.transport, packet.payload - packet.transport)
  local emitted = mappings[tuple(protocol, addresses, ports_of(protocol, header))]
  for _, sa in ipairs(candidates) do
    if not sa.open then return { status = STRUCTURE_ONLY, sa = sa } end
    local plaintext, is_right = try(sa, sequence, ciphertext, icv, protocol, addresses, header)
    if is_right then return { status = VERIFIED, sa = sa, plaintext = plaintext } end
    if emitted then
      local restored = with_ports(protocol, header, emitted.ports)
      plaintext, is_right = try(sa, sequence, ciphertext, icv, protocol, emitted.addresses, restored)
      if is_right then return { status = RESTORED, sa = sa, plaintext = plaintext, emitted = emitted } end
    end
    result.plaintext = result.plaintext or plaintext
  end
  return result
end

--- The headers of a located packet in words: what a NAT changes of them.
local function headers_text(tvb, packet)
  local function address(at)
    local range = tvb(at, packet.address_bytes)
    return tostring(packet.address_bytes == 4 and range:ipv4() or range:ipv6())
  end
  local function port(offset)
    return tvb(packet.transport + offset, 2):uint()
  end
  local source, destination = address(packet.addresses), address(packet.addresses + packet.address_bytes)
  if packet.protocol == TCP or packet.protocol == UDP then
    local name = packet.protocol == TCP and 'TCP' or 'UDP'
    return ('%s %s port %d > %s port %d'):format(name, source, port(0), destination, port(2))
  end
  return ('ICMP echo %s > %s identifier %d'):format(source, destination, port(4))
end

--- Learns what a NAT did to the flow of a control packet from the duplicate of its headers.
local function learn(tvb, packet, inner_tvb, inner_at)
  local inner = locate(inner_tvb, inner_at)
  if not inner or inner.protocol ~= packet.protocol or inner.address_bytes ~= packet.address_bytes then return nil end
  local protocol = packet.protocol
  local outer_header = tvb:raw(packet.transport, packet.payload - packet.transport)
  local inner_header = inner_tvb:raw(inner.transport, inner.payload - inner.transport)
  local addresses = inner_tvb:raw(inner.addresses, 2 * inner.address_bytes)
  local ports = ports_of(protocol, inner_header)
  local emitted = { addresses = addresses, ports = ports, text = headers_text(inner_tvb, inner) }
  local outer_addresses = tvb:raw(packet.addresses, 2 * packet.address_bytes)
  mappings[tuple(protocol, outer_addresses, ports_of(protocol, outer_header))] = emitted
  return emitted
end

local PACKET_FIELDS = { 'src', 'dst', 'net_src', 'net_dst', 'src_port', 'dst_port' }

-- Showing --------------------------------------------------------------------------------------------------------------

local function show_shim(tvb, shim, tree)
  local have = tvb:len()
  local function add(field, at, length)
    if at + length <= have then tree:add(field, tvb(at, length)) end
  end
  if shim.profile == 'ah-esp' then
    add(f.ah_next, shim.at, 1)
    add(f.ah_length, shim.at + 1, 1)
    add(f.ah_spi, shim.at + 4, 4)
    add(f.ah_sequence, shim.at + 8, 4)
    add(f.ah_icv, shim.at + AH_FIXED_BYTES, shim.esp - shim.at - AH_FIXED_BYTES)
  end
  add(f.spi, shim.esp, 4)
  add(f.sequence, shim.esp + 4, 4)
  local ciphertext_at = shim.esp + ESP_HEADER_BYTES
  local length = shim.finish - shim.icv_bytes - ciphertext_at
  if length > 0 then add(f.ciphertext, ciphertext_at, length) end
  tree:add(f.ciphertext_length, length):set_generated()
  if shim.icv_bytes > 0 then add(f.icv, shim.finish - shim.icv_bytes, shim.icv_bytes) end
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
    if inner_tvb:raw(finish, pad_length) ~= ('\1\2\3'):sub(1, pad_length) then padding:add_proto_expert_info(e.padding) end
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
  if packet.protocol ~= TCP then return sa and 'data' end
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
  show_shim(tvb, shim, tree)
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

function ngisec.dissector(tvb, pinfo, root)
  for _, layer in ipairs(ip_layers) do
    for _, info in ipairs({ layer() }) do
      -- Offsets of reassembled or inner packets count from elsewhere.
      local at = info.offset
      local is_here = at + info.len <= tvb:len() and tvb:raw(at, info.len) == info.range:raw()
      local packet = is_here and locate(tvb, at)
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
