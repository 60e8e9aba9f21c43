"""A MATLAB version 5 file as SciPy 1.17 writes it, compressed as SVHN's are.

Arrays X (bytes, 4 dimensions), y, table (doubles), wide (64-bit integers), empty, and two of
classes that are passed over. Run: python3 mat.py  (writes mat.mat)
"""
import pathlib

import numpy as np
import scipy
import scipy.io

arrays = {
    "X": (np.arange(120) * 7 % 256).astype(np.uint8).reshape(4, 3, 2, 5),
    "y": np.array([[1], [2], [10], [9], [10]], np.uint8),
    "table": np.array([[0.5, -1.25, 3.0], [1e10, 0.0, -2.0]]),
    "wide": np.array([[-3, 70_000, 1 << 40]], np.int64),
    "text": "passed over",
    "record": {"a": 1.0},
    "empty": np.zeros((0, 0)),
}
path = pathlib.Path(__file__).with_name("mat.mat")
scipy.io.savemat(path, arrays, do_compression=True)
# The header names the platform and the moment; a golden file must not.
bytes_ = path.read_bytes()
path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + bytes_[116:])
print(scipy.__version__)
