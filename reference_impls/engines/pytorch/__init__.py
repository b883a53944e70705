"""torch: its backend, its adapter for users' functions, its argmin and root as layers."""

import torch

from reference_impls.running.threads import add_pool

add_pool(torch.get_num_threads, torch.set_num_threads)
