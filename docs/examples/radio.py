#!/usr/bin/env python3
"""A convergence layer for packmule in some forty lines (docs/pipe.md). Each bundle is one datagram, as over a radio without
acknowledgements:  packmule peer add 'pipe:python3 radio.py OUR-HOST:PORT THEIR-HOST:PORT'"""
import socket, struct, sys, threading

HELLO, BUNDLE, OCTETS, ABANDON, TAKEN, REFUSED, LEFT = range(7)
LARGEST = 60_000  # what fits a datagram
turn = threading.Lock()

def place(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)

def say(*messages):
    with turn:
        for kind, body in messages:
            sys.stdout.buffer.write(struct.pack(">IB", 1 + len(body), kind) + body)
        sys.stdout.buffer.flush()

def from_air():
    number = 0
    while True:
        bundle = radio.recv(LARGEST)
        if bundle:
            say((BUNDLE, struct.pack(">QQB", number, len(bundle), 0)), (OCTETS, bundle))
            number += 1

radio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
radio.bind(place(sys.argv[1]))
say((HELLO, struct.pack(">BQQ", 1, LARGEST, 0)))
threading.Thread(target=from_air, daemon=True).start()

while head := sys.stdin.buffer.read(5):  # ends with the agent, and so do we
    length, kind = struct.unpack(">IB", head)
    body = sys.stdin.buffer.read(length - 1)
    if kind == BUNDLE:
        (number, size), bundle = struct.unpack(">QQ", body[:16]), b""
    elif kind == OCTETS:
        bundle += body
        if len(bundle) == size:
            radio.sendto(bundle, place(sys.argv[2]))
            say((LEFT, struct.pack(">Q", number)))
