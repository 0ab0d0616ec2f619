"""Both profiles a second time, from their description alone, on Scapy and pyca/cryptography.

ESP, its encryption and AH are Scapy's where it has them. One JSON object a line in, one out, octets in hex; `key` is
encryption key, salt, integrity key, salt:
    {"do": "seal", "suite", "key", "spi", "sequence", "scope", "next", "packet"} -> {"packet"}
    {"do": "open", "suite", "key", "spi", "sequence", "scope", "packet"} -> {"packet", "next", "rebuilt"}
`packet` of an answer has lengths and checksums computed anew; `rebuilt` is the packet that came, with these computed
anew: what an honest packet equals.
"""
import hashlib
import hmac
import json
import struct
import sys
from types import SimpleNamespace
from socket import AF_INET, AF_INET6, inet_pton

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from scapy.layers.inet import IP, TCP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.layers.ipsec import AH, CRYPT_ALGOS, ESP, _ESPPlain
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


class Compact:
    """ESP with a combined algorithm, IV left out."""

    def __init__(self, order):
        self.order = order
        self.nonce = order['key'][-4:] + struct.pack('!Q', order['sequence'])
        cipher = ChaCha20Poly1305 if order['suite'] == 'chacha20-poly1305' else AESGCM
        self.cipher = cipher(order['key'][:-4])
        self.encrypts = order['suite'] != 'aes-128-gmac'

    def associated(self, image_octets):
        return struct.pack('!IQ', self.order['spi'], self.order['sequence']) + image_octets

    def seal(self, image_octets, payload, is_v4):
        esp = struct.pack('!II', self.order['spi'], self.order['sequence'] & 0xffffffff)
        plaintext = padded(payload, self.order['next'])
        if self.encrypts:
            return esp + self.cipher.encrypt(self.nonce, plaintext, self.associated(image_octets))
        return esp + plaintext + self.cipher.encrypt(self.nonce, b'', self.associated(image_octets) + plaintext)

    def open(self, image_octets, shim):
        assert struct.unpack('!II', shim[:8]) == (self.order['spi'], self.order['sequence'] & 0xffffffff)
        if self.encrypts:
            return unpadded(self.cipher.decrypt(self.nonce, shim[8:], self.associated(image_octets)))
        self.cipher.decrypt(self.nonce, shim[-16:], self.associated(image_octets) + shim[8:-16])
        return unpadded(shim[8:-16])


class AhEsp:
    """AH over ESP, by Scapy's layers."""

    def __init__(self, order):
        self.order = order
        self.iv = struct.pack('!Q', order['sequence'])
        self.is_null = order['suite'].startswith('null-')
        self.is_gmac = order['suite'].endswith('-gmac')
        self.encryption = CRYPT_ALGOS['NULL' if self.is_null else 'AES-CTR']
        at = 0 if self.is_null else 20
        self.key, self.mac_key = order['key'][:16], order['key'][at:]
        self.sa = SimpleNamespace(crypt_salt=order['key'][16:20])

    def authenticate(self, image_octets, ah, esp):
        octets = image_octets + bytes(ah) + bytes(esp) + self.iv[:4]
        if self.is_gmac:
            return AESGCM(self.mac_key[:16]).encrypt(self.mac_key[16:] + self.iv, b'', octets)
        return hmac.new(self.mac_key, octets, hashlib.sha256).digest()[:16]

    def seal(self, image_octets, payload, is_v4):
        spi, low = self.order['spi'], self.order['sequence'] & 0xffffffff
        plain = _ESPPlain(spi=spi, seq=low, iv=b'' if self.is_null else self.iv, data=payload, nh=self.order['next'])
        esp = self.encryption.encrypt(self.sa, self.encryption.pad(plain), self.key)
        iv = self.iv if self.is_gmac else b''
        padding = bytes(-(12 + len(iv) + 16) % (4 if is_v4 else 8))
        words = (12 + len(iv) + 16 + len(padding)) // 4
        header = dict(nh=50, payloadlen=words - 2, reserved=0, spi=spi, seq=low)
        icv = self.authenticate(image_octets, AH(icv=iv + bytes(16) + padding, **header), esp)
        return bytes(AH(icv=iv + icv + padding, **header)) + bytes(esp)

    def open(self, image_octets, shim):
        ah = AH(shim)
        esp = ESP(bytes(ah.payload))
        ah.remove_payload()
        assert (ah.nh, ah.spi, ah.seq) == (50, self.order['spi'], self.order['sequence'] & 0xffffffff)
        assert (esp.spi, esp.seq) == (ah.spi, ah.seq)
        at = 8 if self.is_gmac else 0
        assert ah.icv[:at] == self.iv[:at]
        icv = ah.icv[at:at + 16]
        ah.icv = ah.icv[:at] + bytes(16) + ah.icv[at + 16:]
        if not hmac.compare_digest(icv, self.authenticate(image_octets, ah, esp)):
            raise InvalidTag()
        plain = self.encryption.decrypt(self.sa, esp, self.key)
        assert self.is_null or plain.iv == self.iv
        return plain.data, plain.nh


def padded(payload, next_header):
    padding = bytes(range(1, 1 + -(len(payload) + 2) % 4))
    return payload + padding + bytes([len(padding), next_header])


def unpadded(plaintext):
    count, next_header = plaintext[-2:]
    payload = plaintext[:len(plaintext) - 2 - count]
    assert plaintext[len(payload):-2] == bytes(range(1, 1 + count)) and count < 4
    return payload, next_header


COMPACT = ('aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305', 'aes-128-gmac')


def profile(order):
    order = dict(order, key=bytes.fromhex(order['key']))
    return Compact(order) if order['suite'] in COMPACT else AhEsp(order)


def seal(order):
    ip_header, protocol, header, payload = split(bytes.fromhex(order['packet']))
    image_octets = image(order['scope'], ip_header, protocol, header)
    shim = profile(order).seal(image_octets, payload, ip_header[0] >> 4 == 4)
    return {'packet': build(ip_header, protocol, header, shim).hex()}


def unseal(order):
    ip_header, protocol, header, shim = split(bytes.fromhex(order['packet']))
    image_octets = image(order['scope'], ip_header, protocol, header)
    payload, next_header = profile(order).open(image_octets, shim)
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
