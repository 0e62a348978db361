"""See which NVIDIA GPUs this machine has, without any CUDA library."""

from __future__ import annotations

import shutil
import subprocess

#: A healthy driver answers in a fraction of a second; a hung one never.
NVIDIA_SMI_TIMEOUT_S = 15.0


def visible_gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that the driver shows ("NVIDIA L4"); empty when there is no driver or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()
