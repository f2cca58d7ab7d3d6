"""Recordings that tests write down."""

from collections.abc import Mapping

from local.dashboard.recording import Metric, Recording

NOW = 1_000_000_000.0


def of_three_buckets(*metrics: tuple[str, Mapping[str, str], list[list[float]]]) -> Recording:
    """Return a recording of metrics in the namespace ours, each with its dimensions and the values of each bucket."""
    recording = Recording("ours", "A test.", 10)
    for name, dimensions, buckets in metrics:
        for number, values in enumerate(buckets):
            recording.note(Metric.of("ours", name, dimensions), NOW + 10 * number, *values)
    return recording
