"""Run inside a node's network: end with 0 as soon as the cluster's DNS answers. Arguments: address, seconds."""

import socket
import struct
import sys
import time

_NAME = "kubernetes.default.svc.cluster.local"


def query() -> bytes:
    """A question for the address of the API server's Service."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in _NAME.split("."))
    return struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, 1, 1)


def answered(address: str) -> bool:
    """Whether one question gets one answer without error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.connect((address, 53))
            client.send(query())
            answer = client.recv(512)
        except OSError:
            return False
    flags, _, answers = struct.unpack(">3H", answer[2:8])
    return bool(flags & 0xF == 0 and answers > 0)


def main() -> int:
    """Ask until the deadline."""
    address, seconds = sys.argv[1], float(sys.argv[2])
    deadline = time.monotonic() + seconds
    while not answered(address):
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.03)
    return 0


if __name__ == "__main__":
    sys.exit(main())
