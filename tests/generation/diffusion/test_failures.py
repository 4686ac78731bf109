"""What an error of the device means."""

import pytest
import torch

from generation.diffusion.failures import is_device_lost, is_out_of_memory, told
from generation.errors import DoesNotFit, WorkerFault, WorkerLost
from tests.generation.diffusion.conftest import make_job


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA"),
        torch.AcceleratorError("CUDA error: unspecified launch failure"),
        torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"),
    ],
)
def test_an_error_that_loses_the_device_needs_a_new_process(error: Exception) -> None:
    assert is_device_lost(error)
    assert isinstance(told(error, make_job()), WorkerLost)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: invalid argument"),
        torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("CUDA error: told by somebody else"),
    ],
)
def test_an_error_of_one_call_fails_one_job(error: Exception) -> None:
    assert not is_device_lost(error)
    assert isinstance(told(error, make_job()), WorkerFault)


def test_too_little_memory_does_not_lose_the_device() -> None:
    error = torch.AcceleratorError("CUDA error: out of memory")
    assert is_out_of_memory(error)
    assert not is_device_lost(error)
    assert isinstance(told(error, make_job()), DoesNotFit)
