"""Prometheus metrics of the server. Labels are names of ours (runs, routes, status codes), so that
no client can make new ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import Scope

from castalia.serving.batching import DenseLane, TextLane
from castalia.serving.engine import Engine

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of the engine and of the middleware."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "castalia_requests",
            "Requests that were answered",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "castalia_request_seconds",
            "From the first byte to the last",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Engine(engine))  # type: ignore[arg-type] - a collector is whatever has `collect`

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        return generate_latest(self.registry)


class _Engine:
    """Reads the engine when it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("castalia_waiting", "Requests in the queue", labels=["lane"])
        live = GaugeMetricFamily(
            "castalia_live", "Rows, batches or calls that are being computed", labels=["lane"]
        )
        busy = CounterMetricFamily("castalia_busy_seconds", "Time spent computing", labels=["lane"])
        made = CounterMetricFamily(
            "castalia_made", "Tokens of texts and items of all else", labels=["lane"]
        )
        for name, lane in self.engine.lanes.items():
            waiting.add_metric([name], len(lane.waiting))
            live.add_metric([name], lane.live)
            busy.add_metric([name], lane.computed)
            if isinstance(lane, TextLane | DenseLane):
                made.add_metric([name], lane.tokens if isinstance(lane, TextLane) else lane.items)
        yield from (waiting, live, busy, made)
        yield CounterMetricFamily(
            "castalia_refused", "Requests that met a full queue", value=self.engine.refused
        )
        yield CounterMetricFamily(
            "castalia_cancelled",
            "Requests whose client left or whose time ran out",
            value=self.engine.cancelled,
        )
