"""Golden draws of the portable noise source, in plain Python (3.8 or later).

The seed tree and ChaCha8 come from the core crate's own golden script. Written here: the open
uniform (the top 52 bits of a 64-bit word as a fraction in [1, 2), less 1 - 2^-53) and the
256-layer ziggurat of Marsaglia and Tsang (2000) with the tables computed from their definition.
Run: python3 noise.py > noise.json
"""

import contextlib
import io
import json
import math
import runpy
import struct
from pathlib import Path

SEED = Path(__file__).resolve().parents[3] / "core" / "tests" / "golden" / "seed.py"
with contextlib.redirect_stdout(io.StringIO()):
    seed = runpy.run_path(str(SEED))

R = 3.654152885361008796  # where the tail begins
V = 0.00492867323399  # area of one layer, with the digits that rand_distr's tables were made from
assert abs(V - R * math.exp(-R * R / 2) - math.sqrt(math.pi / 2) * math.erfc(R / 2**0.5)) < 1e-13

X = [V / math.exp(-R * R / 2), R]
while len(X) < 256:
    X.append(math.sqrt(-2 * math.log(V / X[-1] + math.exp(-X[-1] ** 2 / 2))))
X.append(0.0)
F = [math.exp(-x * x / 2) for x in X]


class Stream:
    def __init__(self, node):
        self.key = b"".join(struct.pack("<Q", seed["output"](node, i)) for i in range(4))
        self.counter = 0
        self.words = []

    def next(self):
        if not self.words:
            self.words = list(struct.unpack("<8Q", seed["chacha8_block"](self.key, self.counter)))
            self.counter += 1
        return self.words.pop(0)

    def open01(self):
        return (1.0 + (self.next() >> 12) * 2.0**-52) - (1.0 - 2.0**-53)

    def half_open01(self):
        return (self.next() >> 11) * 2.0**-53

    def normal(self):
        while True:
            bits = self.next()
            i = bits & 0xFF
            u = 2.0 * (1.0 + (bits >> 12) * 2.0**-52) - 3.0
            x = u * X[i]
            if abs(x) < X[i + 1]:
                return x
            if i == 0:
                return self.tail(u)
            if F[i + 1] + (F[i] - F[i + 1]) * self.half_open01() < math.exp(-x * x / 2):
                return x

    def tail(self, u):
        x, y = 1.0, 0.0
        while -2.0 * y < x * x:
            x = math.log(self.open01()) / R
            y = math.log(self.open01())
        return x - R if u < 0 else R - x


node = seed["index"](seed["child"](seed["new"](42), "z"), 3)
stream = Stream(node)
uniform = [stream.open01() for _ in range(32)]
stream = Stream(node)
normal = [stream.normal() for _ in range(64)]
stream = Stream(seed["child"](node, "long"))
long = [stream.normal() for _ in range(20000)]
print(
    json.dumps(
        {
            "uniform": uniform,
            "normal": normal,
            "normal_tail": long[-10:],
            "normal_abs_sum": math.fsum(abs(x) for x in long),
        },
        indent=1,
    )
)
