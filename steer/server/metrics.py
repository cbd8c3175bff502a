"""What a server counts, for Prometheus. Names and labels only; a registry for each server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from steer.server.reading import Decided

_STRENGTHS = (-4.0, -2.0, -1.0, -0.5, -0.25, -1e-9, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The counters of one server.

    Args:
        running: Answers at work.
        waiting: Answers that wait.
        edited: Tokens edited so far.
    """

    def __init__(
        self, running: Callable[[], float], waiting: Callable[[], float], edited: Callable[[], float]
    ) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter("steer_requests", "Requests.", ["route", "status"], registry=own)
        self.tokens = Counter("steer_tokens", "Tokens read and written.", ["kind"], registry=own)
        self.latency = Histogram(
            "steer_request_seconds", "Of requests.", ["route"], buckets=_SECONDS, registry=own
        )
        self.first = Histogram(
            "steer_first_token_seconds", "Until the first token.", buckets=_SECONDS, registry=own
        )
        self.strength = Histogram(
            "steer_strength", "Strengths that were given.", ["dial"], buckets=_STRENGTHS, registry=own
        )
        self.gates = Counter(
            "steer_gate_decisions",
            "What decided: the probe that opened widest, or else.",
            ["probe"],
            registry=own,
        )
        for name, words, read in (
            ("steer_running", "Answers at work.", running),
            ("steer_waiting", "Answers that wait.", waiting),
            ("steer_edited_tokens", "Tokens edited since the engine was started.", edited),
        ):
            Gauge(name, words, registry=own).set_function(read)

    def given(self, strengths: Mapping[str, float], decided: Decided) -> None:
        """A prompt is about to be answered."""
        for dial, strength in strengths.items():
            self.strength.labels(dial).observe(strength)
        if decided.gates:
            self.gates.labels(max(decided.gates, key=lambda gate: gate.share).probe).inc()

    def page(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
