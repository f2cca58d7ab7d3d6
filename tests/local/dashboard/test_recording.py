"""A recording keeps its values."""

from pathlib import Path

from local.dashboard.recording import Metric, Recording
from tests.local.dashboard.recordings import of_three_buckets


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = of_three_buckets(("Latency", {"service": "codat"}, [[3.0, 1.0], [], [5.0]]))
    recording.write(tmp_path / "recorded.json")
    read = Recording.read(tmp_path / "recorded.json")
    metric = Metric.of("ours", "Latency", {"service": "codat"})
    assert (read.stack, read.about, read.bucket_seconds) == ("ours", "A test.", 10)
    assert read.series(metric, "Sum") == recording.series(metric, "Sum") == [4.0, None, 5.0]
