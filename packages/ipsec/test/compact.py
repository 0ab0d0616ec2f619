"""The compact profile a second time, from its description alone, on Scapy and pyca/cryptography.

One JSON object a line in, one out, octets in hex; `key` ends with the salt:
    {"do": "seal", "suite", "key", "spi", "sequence", "scope", "next", "packet"} -> {"packet"}
    {"do": "open", "suite", "key", "spi", "sequence", "scope", "packet"} -> {"packet", "next", "rebuilt"}
`packet` of an answer has lengths and checksums computed anew; `rebuilt` is the packet that came, with these computed
anew: what an honest packet equals.
"""
import json
import struct
import sys
from socket import AF_INET, AF_INET6, inet_pton

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from scapy.layers.inet import IP, TCP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.utils import checksum

SCOPES = {'full': 1, 'ports': 2, 'none': 3}
CHECKSUM_AT = {6: 16, 17: 6, 1: 2, 58: 2}


def split(packet):
    """The IP header, its protocol, the transport header and what stands behind it."""
    if packet[0] >> 4 == 4:
        head, protocol = IP(packet).ihl * 4, IP(packet).proto
    else:
        head, protocol = 40, IPv6(packet).nh
    length = TCP(packet[head:]).dataofs * 4 if protocol == 6 else 8
    return packet[:head], protocol, packet[head:head + length], packet[head + length:]


def build(ip_header, protocol, header, rest):
    segment = bytearray(header + rest)
    at = CHECKSUM_AT[protocol]
    segment[at:at + 2] = bytes(2)
    if protocol == 17:
        segment[4:6] = struct.pack('!H', len(segment))
    head = bytearray(ip_header)
    if head[0] >> 4 == 4:
        head[2:4] = struct.pack('!H', len(head) + len(segment))
        head[10:12] = bytes(2)
        head[10:12] = struct.pack('!H', checksum(bytes(head)))
        value = checksum(bytes(segment)) if protocol == 1 else in4_chksum(protocol, IP(bytes(head)), bytes(segment))
    else:
        head[4:6] = struct.pack('!H', len(segment))
        value = in6_chksum(protocol, IPv6(bytes(head)), bytes(segment))
    if value == 0 and protocol == 17:
        value = 0xffff
    segment[at:at + 2] = struct.pack('!H', value)
    return bytes(head + segment)


def image(scope, ip_header, protocol, header):
    octets = struct.pack('!BBH', SCOPES[scope], protocol, len(header))
    if scope == 'none':
        return octets
    if scope == 'full':
        is_v4 = ip_header[0] >> 4 == 4
        packet = IP(ip_header) if is_v4 else IPv6(ip_header)
        for address in (packet.src, packet.dst):
            octets += inet_pton(AF_INET if is_v4 else AF_INET6, address)
    zeroed = bytearray(header)
    at = CHECKSUM_AT[protocol]
    zeroed[at:at + 2] = bytes(2)
    if protocol == 17:
        zeroed[4:6] = bytes(2)
    return octets + bytes(zeroed)


def aead(order):
    key = bytes.fromhex(order['key'])
    cipher = ChaCha20Poly1305 if order['suite'] == 'chacha20-poly1305' else AESGCM
    return cipher(key[:-4]), key[-4:] + struct.pack('!Q', order['sequence'])


def associated(order, ip_header, protocol, header):
    counted = struct.pack('!IQ', order['spi'], order['sequence'])
    return counted + image(order['scope'], ip_header, protocol, header)


def seal(order):
    ip_header, protocol, header, payload = split(bytes.fromhex(order['packet']))
    cipher, nonce = aead(order)
    padding = bytes(range(1, 1 + -(len(payload) + 2) % 4))
    plaintext = payload + padding + bytes([len(padding), order['next']])
    sealed = cipher.encrypt(nonce, plaintext, associated(order, ip_header, protocol, header))
    esp = struct.pack('!II', order['spi'], order['sequence'] & 0xffffffff)
    return {'packet': build(ip_header, protocol, header, esp + sealed).hex()}


def unseal(order):
    packet = bytes.fromhex(order['packet'])
    ip_header, protocol, header, shim = split(packet)
    assert struct.unpack('!II', shim[:8]) == (order['spi'], order['sequence'] & 0xffffffff)
    cipher, nonce = aead(order)
    plaintext = cipher.decrypt(nonce, shim[8:], associated(order, ip_header, protocol, header))
    count, next_header = plaintext[-2:]
    payload = plaintext[:len(plaintext) - 2 - count]
    assert plaintext[len(payload):-2] == bytes(range(1, 1 + count)) and count < 4
    return {
        'packet': build(ip_header, protocol, header, payload).hex(),
        'next': next_header,
        'rebuilt': build(ip_header, protocol, header, shim).hex(),
    }


for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = seal(order) if order['do'] == 'seal' else unseal(order)
    except Exception as error:
        answer = {'error': repr(error)}
    print(json.dumps(answer))
