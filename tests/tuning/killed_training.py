"""A training in a process of its own, killed by SIGKILL once it has come so far."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from serving.registry.models import ModelFolder

__all__ = ["train_and_kill"]


def train_and_kill(module: str, base: ModelFolder, folder: Path, steps: int) -> int:
    """The exit code of `trained` of a test module, killed after so many steps.

    On as many threads as this process computes with: other numbers of them add up in another order.
    """
    script = f"""
import os, signal
from pathlib import Path
import torch
from serving.registry.models import ModelFolder
from {module} import trained

torch.set_num_threads({torch.get_num_threads()})

def strike(progress):
    if progress.step >= {steps}:
        os.kill(os.getpid(), signal.SIGKILL)

trained(ModelFolder({base.reference!r}, Path({str(base.path)!r}), "w", "t", "l", "r"), Path({str(folder)!r}), strike)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False).returncode
