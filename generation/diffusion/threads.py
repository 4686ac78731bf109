"""How many of torch's threads a model draws with.

Handing a small layer to a second thread takes longer than computing it. On two cores a step of the built-in model
takes 19 ms with one thread and 60 with two (4.4 million parameters, 2 rows of 16x16); with 35 million parameters at
32x32 it is 600 ms and 368.
"""

import torch

SMALL = 16_000_000  #: parameters of a network that is drawn with by one thread
ALL = torch.get_num_threads()  #: as torch began, which is the number of cores or OMP_NUM_THREADS


def threads_for(network: torch.nn.Module, device: torch.device) -> int:
    """Choose the number for `torch.set_num_threads`; it counts for the process, so each step has to set it."""
    small = sum(parameter.numel() for parameter in network.parameters()) < SMALL
    return 1 if small and device.type == "cpu" else ALL
