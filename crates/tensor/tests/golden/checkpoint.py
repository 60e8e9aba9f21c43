"""A safetensors file by PyTorch, and what it holds. Run with torch 2.11.0, safetensors 0.8.0:
python checkpoint.py FOLDER writes pytorch.safetensors and pytorch.json there.

With a second argument it reads one of our files instead and prints names, kinds, shapes and
values as JSON.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def describe(tensors):
    return {
        name: {
            "dtype": str(t.dtype).removeprefix("torch."),
            "shape": list(t.shape),
            "values": t.double().flatten().tolist(),
        }
        for name, t in sorted(tensors.items())
    }


if len(sys.argv) == 3:
    with safe_open(sys.argv[2], framework="pt") as file:
        metadata = file.metadata()
    print(json.dumps({"metadata": metadata, "tensors": describe(load_file(sys.argv[2]))}))
    sys.exit()

tensors = {
    "encoder.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
    "encoder.bias": torch.tensor([1.5, -2.25]),
    "steps": torch.tensor(12345678901),
    "double": torch.tensor([[0.1], [1e-300]], dtype=torch.float64),
    "half": torch.tensor([0.5, -65504.0], dtype=torch.float16),
    "mask": torch.tensor([True, False, True]),
    "pixels": torch.tensor([[0, 128, 255]], dtype=torch.uint8),
    "empty": torch.zeros(0, 4),
}
folder = Path(sys.argv[1])
save_file(tensors, folder / "pytorch.safetensors", metadata={"format": "pt"})
(folder / "pytorch.json").write_text(json.dumps(describe(tensors), indent=1) + "\n")
