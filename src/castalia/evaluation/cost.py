"""Cost of sampling: samples per second, peak memory, parameters.

Speed is of the sampling that this evaluation did, on this machine with its load; the first block is
left out when there are others, because it pays for warming up. Memory is the peak of the whole
process (of the GPU where one is used).
"""

from __future__ import annotations

import resource
import sys

import torch

from castalia.evaluation.base import Evidence, Metric, MetricResult, mean_interval


class Cost(Metric):
    """`samples-per-second` (higher is better), `peak-memory` in MiB and `parameters` (lower is
    better).
    """

    name = "cost"
    reads = Evidence

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        seeds = (evidence.seed,)
        model = evidence.model
        weights = sum(parameter.numel() for parameter in model.parameters())
        bytes_ = sum(
            parameter.numel() * parameter.element_size() for parameter in model.parameters()
        )
        result = [
            MetricResult(
                "peak-memory",
                peak_memory(model.device),
                better="lower",
                details={"unit": "MiB", "device": model.device.type, "words": []},
            ),
            MetricResult(
                "parameters",
                float(weights),
                better="lower",
                details={"megabytes": round(bytes_ / 2**20, 3), "words": []},
            ),
        ]
        timings = list(evidence.timings)[1:] or list(evidence.timings)
        if timings:
            rows, seconds = sum(rows for rows, _ in timings), sum(seconds for _, seconds in timings)
            _, low, high = mean_interval(torch.tensor([spent / count for count, spent in timings]))
            rate = rows / max(seconds, 1e-9)
            details = {
                "unit": "samples/s",
                "blocks": len(timings),
                "rows_per_block": timings[0][0],
                "threads": torch.get_num_threads(),
                "words": [],
            }
            known = len(timings) > 2 and low > 0  # an interval needs a few blocks
            interval = (min(rate, 1 / high), max(rate, 1 / low)) if known else (None, None)
            result.insert(
                0,
                MetricResult(
                    "samples-per-second",
                    rate,
                    *interval,
                    n=rows,
                    seeds=seeds,
                    better="higher",
                    seconds=seconds,
                    details=details,
                ),
            )
        return result


def peak_memory(device: torch.device) -> float:
    """MiB: the largest resident size of this process so far, or the GPU's peak allocation."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, KiB on Linux
