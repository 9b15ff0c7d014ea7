"""The door to the metrics for Prometheus and OpenTelemetry: what is public of `threadguard.observe.metrics`."""

from threadguard.observe.metrics import Collector, instrument, register

__all__ = ["Collector", "instrument", "register"]
