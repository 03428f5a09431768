"""Precisions of the arithmetic inside a network; light enough for the orchestrator to import."""

from typing import Literal

# Inputs and outputs are float32 in all of them.
Precision = Literal["fp32", "bf16", "fp16"]
