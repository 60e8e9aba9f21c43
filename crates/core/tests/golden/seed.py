"""Golden numbers of the seed tree and of its ChaCha8 stream, in plain Python (3.8 or later).

Written from the formulas in `seed.rs`, from the SplitMix64 finaliser and from RFC 8439 with 8
rounds, a 64-bit counter and a zero stream number (Bernstein's original layout).
Run: python3 seed.py > seed.json
"""
import json
import struct

M = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(v):
    v = ((v ^ (v >> 30)) * 0xBF58476D1CE4E5B9) & M
    v = ((v ^ (v >> 27)) * 0x94D049BB133111EB) & M
    return v ^ (v >> 31)


def rotl64(v, n):
    return ((v << n) | (v >> (64 - n))) & M


def absorb(s, w):
    a = mix(((s[0] ^ w) + GOLDEN) & M)
    return a, (mix(rotl64(s[1], 23) ^ a) + w) & M


def new(root):
    return absorb(absorb((0, 0x243F6A8885A308D3), 0x726F6F7400000004), root)


def child(s, label):
    b = label.encode()
    s = absorb(absorb(s, 0x6C6162656C000001), len(b))
    for i in range(0, len(b), 8):
        s = absorb(s, struct.unpack("<Q", b[i:i + 8].ljust(8, b"\0"))[0])
    return s


def index(s, i):
    return absorb(absorb(s, 0x696E646578000002), i)


def output(s, i):
    s = absorb(absorb(s, 0x6F75747075740003), i)
    return s[0] ^ s[1]


def show(s):
    return "%016x%016x" % s


def chacha8_block(key, counter):
    rotl = lambda v, n: ((v << n) | (v >> (32 - n))) & 0xFFFFFFFF
    init = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    init += [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    x = init[:]

    def quarter(a, b, c, d):
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        x[d] = rotl(x[d] ^ x[a], 16)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF
        x[b] = rotl(x[b] ^ x[c], 12)
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        x[d] = rotl(x[d] ^ x[a], 8)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF
        x[b] = rotl(x[b] ^ x[c], 7)

    for _ in range(4):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*q)
    return struct.pack("<16I", *[(a + b) & 0xFFFFFFFF for a, b in zip(x, init)])


node = index(child(child(new(42), "train"), "shuffle"), 7)
key = b"".join(struct.pack("<Q", output(node, i)) for i in range(4))
stream = struct.unpack("<8Q", chacha8_block(key, 0))
print(json.dumps({
    "root_0": show(new(0)),
    "node": show(node),
    "empty_label": show(child(new(M), "")),
    "long_label": show(child(new(1), "a label longer than eight bytes")),
    "node_seed_u64": "%016x" % output(node, 4),
    "node_chacha8": " ".join("%016x" % v for v in stream[:4]),
}, indent=1))
