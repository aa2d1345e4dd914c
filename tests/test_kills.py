"""Runs that are killed resume to the same bits; `python -m tests.kills` does it at length."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_killed_runs_resume_to_the_same_bits():
    command = [sys.executable, "-m", "tests.kills", "--kills", "12", "--seed", "3"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "| **all** |" in ran.stdout
