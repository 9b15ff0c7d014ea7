"""How others see the guard: health checks, the probe, metrics."""
