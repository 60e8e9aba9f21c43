"""The first order of `plan::permutation`, derived independently (Python 3.8 or later).

Uses the seed tree and the ChaCha8 block of `crates/core/tests/golden/seed.py`.
Run: python3 permutation.py > permutation.json
"""
import contextlib
import io
import json
import pathlib
import runpy
import struct

core = pathlib.Path(__file__).resolve().parents[3] / "core/tests/golden/seed.py"
with contextlib.redirect_stdout(io.StringIO()):
    seed = runpy.run_path(str(core))
node = seed["index"](seed["child"](seed["new"](42), "shuffle"), 0)
key = b"".join(struct.pack("<Q", seed["output"](node, i)) for i in range(4))
words = iter(struct.unpack("<8Q", seed["chacha8_block"](key, 0)))
order = list(range(8))
for i in range(7, 0, -1):
    j = (next(words) * (i + 1)) >> 64
    order[i], order[j] = order[j], order[i]
print(json.dumps(order))
