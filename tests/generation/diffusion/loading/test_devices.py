"""A device that is not there is named at once, before torch is imported and before a model is loaded."""

import subprocess
import sys
import time

import pytest
import torch

from generation.catalog import ModelSpec
from generation.diffusion.loading.devices import require_device
from generation.errors import ModelUnavailable
from generation.operator_words import operator_words
from generation.workers.local import LocalWorker

SPEC = ModelSpec(name="any", source="nowhere")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "CUDA", "", "cpu:0", "cuda:1234"])
def test_an_unknown_device_is_refused_with_what_to_write(name: str) -> None:
    with pytest.raises(ModelUnavailable) as error:
        LocalWorker.for_models([SPEC], device=name)
    assert error.value.reason == "no_such_device"
    assert "write auto, cpu, cuda, cuda:1 or mps" in operator_words(error.value)


@pytest.mark.skipif(torch.version.cuda is not None, reason="torch is built for CUDA here")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_is_refused_where_torch_is_built_without_it(name: str) -> None:
    with pytest.raises(ModelUnavailable) as error:
        LocalWorker.for_models([SPEC], device=name)
    assert error.value.reason == "device_not_built"
    assert repr(name) in operator_words(error.value)
    assert "write auto or cpu" in operator_words(error.value)


def test_known_devices_of_this_machine_pass() -> None:
    require_device("auto")
    require_device("cpu")


@pytest.mark.skipif(torch.version.cuda is not None, reason="torch is built for CUDA here")
def test_the_command_line_says_so_in_one_line_before_it_loads_anything() -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "generation", "a red heart", "--device", "cuda"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The device 'cuda'")
    assert done.stderr.count("\n") == 1
    assert time.monotonic() - started < 5, "on a busy machine; a second on an idle one"
