"""Three made images in the layout of SVHN's cropped digits, as SciPy 1.17 writes it.

X is [32, 32, 3, N] (row, column, channel, image), y is [N, 1] with 10 for the digit 0.
Run: python3 svhn.py  (writes svhn.mat)
"""
import pathlib

import numpy as np
import scipy.io

n, c, y, x = np.indices((3, 3, 32, 32))
images = ((37 * n + 101 * c + 5 * y + 3 * x) % 256).astype(np.uint8)
path = pathlib.Path(__file__).with_name("svhn.mat")
labels = np.array([[1], [10], [9]], np.uint8)
arrays = {"X": images.transpose(2, 3, 1, 0), "y": labels}
scipy.io.savemat(path, arrays, do_compression=True)
# The header names the platform and the moment; a golden file must not.
data = path.read_bytes()
path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + data[116:])
