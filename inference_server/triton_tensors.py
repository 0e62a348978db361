"""Tensors of Triton's Python backend to numpy arrays and back, right with numpy 1 and 2. Importable inside that backend alone.

The stub in the PyPI wheel (0.7.0) was built for numpy 1: with numpy 2 its ``as_numpy`` and ``Tensor(name, array)`` move other
bytes than those meant, without an error (seen: every byte 255). DLPack knows no numpy version, so it is what crosses; except
outwards from numpy 1, whose capsules the stub does not release properly ("PyCapsule_GetPointer called with incorrect name").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMPY_1 = np.__version__.startswith("1.")


def array_of(request: Any, name: str) -> NDArray[Any]:
    """Return the input ``name`` of a request; it is Triton's memory, to be read only."""
    found: NDArray[Any] = np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name))
    return found


def response_of(arrays: dict[str, NDArray[Any]]) -> Any:
    """Return the response that carries these outputs."""
    make = pb_utils.Tensor if _NUMPY_1 else pb_utils.Tensor.from_dlpack
    return pb_utils.InferenceResponse([make(name, np.ascontiguousarray(array)) for name, array in arrays.items()])
