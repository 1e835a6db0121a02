"""Settings for all tests: a thread per test process, no deadlines on a busy machine, no hub."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # also in the processes that tests start
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
settings.register_profile("retouch", deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
settings.load_profile("retouch")
