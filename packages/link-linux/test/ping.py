"""Sends ICMP echo requests and prints how many were answered, or the error: ping.py ADDRESS COUNT SIZE [TTL]"""
import os, socket, struct, sys, time

address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
six = ":" in address
raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 58 if six else 1)
if len(sys.argv) > 4:
    raw.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if six else (socket.IPPROTO_IP, socket.IP_TTL)), int(sys.argv[4]))
raw.settimeout(1)
identifier = os.getpid() & 0xFFFF


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


answered = 0
for sequence in range(count):
    body = struct.pack("!HH", identifier, sequence) + b"n" * size
    kind = 128 if six else 8
    message = struct.pack("!BBH", kind, 0, 0 if six else checksum(bytes([kind, 0, 0, 0]) + body)) + body
    try:
        raw.sendto(message, (address, 0))
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            reply = raw.recv(2000)
            reply = reply if six else reply[(reply[0] & 15) * 4 :]
            if reply[0] == (129 if six else 0) and reply[4:] == body:
                answered += 1
                break
    except OSError as error:
        if not isinstance(error, TimeoutError):
            print(error.strerror)
            sys.exit(1)
print(answered)
