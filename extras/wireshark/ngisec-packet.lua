-- Where things are in a packet, and the headers an ICV covers. Part of ngisec.lua.

local TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
local IPV6_EXTENSIONS = { [0] = true, [43] = true, [60] = true }
local SCOPE_FULL, SCOPE_NONE = 1, 3

local packets = { TCP = TCP }

--- Octets of a T header; nil where it is not captured, or not one that NGISec protects.
local function transport_bytes(tvb, at, protocol)
  local have = tvb:len() - at
  if protocol == TCP and have >= 20 then return math.max(20, tvb(at + 12, 1):bitfield(0, 4) * 4) end
  if protocol == UDP then return 8 end
  local kind = have >= 1 and tvb(at, 1):uint()
  if protocol == ICMP and (kind == 8 or kind == 0) then return 8 end
  if protocol == ICMPV6 and (kind == 128 or kind == 129) then return 8 end
  return nil
end

--- Offsets of the parts of the IP packet at an offset; nil where it is none, a fragment, or of another protocol.
function packets.locate(tvb, at)
  local have = tvb:len()
  local packet = {}
  local version = at < have and tvb(at, 1):bitfield(0, 4)
  if version == 4 and at + 20 <= have then
    if bit.band(tvb(at + 6, 2):uint(), 0x3fff) ~= 0 then return nil end
    packet.addresses, packet.address_bytes = at + 12, 4
    packet.protocol, packet.transport = tvb(at + 9, 1):uint(), at + tvb(at, 1):bitfield(4, 4) * 4
    packet.finish = at + tvb(at + 2, 2):uint()
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

--- What a NAT may change of a located packet: both addresses and the T header, as octets.
function packets.headers_of(tvb, packet)
  return {
    protocol = packet.protocol,
    addresses = tvb:raw(packet.addresses, 2 * packet.address_bytes),
    transport = tvb:raw(packet.transport, packet.payload - packet.transport),
  }
end

--- Where in the T header the ports are, or an echo's identifier, which stands for both.
local function ports_range(protocol)
  if protocol == TCP or protocol == UDP then return 1, 4 end
  return 5, 6
end

--- The flow that headers belong to, as a text to look up.
function packets.flow_of(headers)
  return string.char(headers.protocol) .. headers.addresses .. headers.transport:sub(ports_range(headers.protocol))
end

--- Headers with the addresses and ports of others.
function packets.restored(headers, others)
  local first, last = ports_range(headers.protocol)
  local transport = headers.transport
  return {
    protocol = headers.protocol,
    addresses = others.addresses,
    transport = transport:sub(1, first - 1) .. others.transport:sub(first, last) .. transport:sub(last + 1),
  }
end

--- The T header without its checksum and a UDP length.
local function covered(protocol, transport)
  if protocol == TCP then return transport:sub(1, 16) .. '\0\0' .. transport:sub(19) end
  if protocol == UDP then return transport:sub(1, 4) .. '\0\0\0\0' end
  return transport:sub(1, 2) .. '\0\0' .. transport:sub(5)
end

--- The header image that an ICV covers under a scope.
function packets.image(headers, scope)
  local protocol, transport = headers.protocol, headers.transport
  local image = string.char(scope, protocol, math.floor(#transport / 256), #transport % 256)
  if scope == SCOPE_NONE then return image end
  return image .. (scope == SCOPE_FULL and headers.addresses or '') .. covered(protocol, transport)
end

--- Addresses and ports of a located packet for people.
function packets.describe(tvb, packet)
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

return packets
