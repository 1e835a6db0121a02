"""The device, and the user's wish to stop."""

import torch

interrupt_after = None
"""How many questions on it is said that work goes on; None: always."""


class InterruptProcessingException(Exception):
    pass


unloaded = 0


def unload_all_models():
    global unloaded
    unloaded += 1


def get_torch_device():
    return torch.device("cpu")


def throw_exception_if_processing_interrupted():
    global interrupt_after
    if interrupt_after is None:
        return
    interrupt_after -= 1
    if interrupt_after < 0:
        interrupt_after = None  # raised once, as by the host
        raise InterruptProcessingException
