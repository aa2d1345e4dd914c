"""Decoding a flow field takes memory for a chunk of its queries, not for the picture."""

import os
import subprocess
import sys

import pytest

MEASURE = """
import sys
from dataclasses import replace
import torch
from perceivers.models.build import build
from perceivers.models.presets import PRESETS

side, chunk, train = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "train"
config = PRESETS["perceiver-io-flow"]()
inputs = replace(config.input, height=side, width=side)
model = build(replace(config, input=inputs, num_latents=256, num_layers_per_block=1))
latents = torch.randn(1, 256, config.latent_dim, requires_grad=train)
with torch.no_grad():
    queries = model.queries(model.elements(torch.rand(1, 2, side, side, 3)))

def megabytes(key):
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1]) / 1024

with torch.set_grad_enabled(train):
    model.decode(latents, queries.at(torch.arange(64)))  # what is built once
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = megabytes("VmRSS")
    flow = model.decode(latents, queries, chunk_size=chunk)
    if train:
        flow.square().mean().backward()
print(megabytes("VmHWM") - before)
"""


def growth(side, chunk, mode):
    """Return the growth of the peak memory while a field of side² vectors is decoded, in MB."""
    # Blocks that are freed go back to the system at once, so that gaps between them do not count.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "100000", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, str(side), str(chunk), mode]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return float(ran.stdout)


@pytest.mark.slow
@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux, to measure peak memory"
)
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_memory_grows_with_the_chunk_and_not_with_the_picture(mode):
    small, large = growth(256, 1024, mode), growth(512, 1024, mode)
    print(f"{mode}: 256² {small:.0f} MB, 512² {large:.0f} MB", end="")
    assert large < small + 40  # the field itself has 2 MB, its queries 338 MB
    longer = growth(512, 8192, mode)
    print(f", chunks of 8,192 {longer:.0f} MB")
    assert large + 20 < longer < 400
