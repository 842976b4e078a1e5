"""What a server has done, for Prometheus; numbers only, no name of any recording."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120)


class Counts:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._registry = own
        self.answers = Counter("emotrace_answers_total", "Answers to recordings", ["format", "status"], registry=own)
        self.audio_s = Counter("emotrace_audio_seconds_total", "Seconds of audio turned into traces", registry=own)
        self.work_s = Histogram(
            "emotrace_work_seconds", "Seconds worked on a recording", buckets=_SECONDS, registry=own
        )
        self.inside = Gauge("emotrace_recordings_inside", "Recordings being sent, waiting or worked on", registry=own)
        self.streams = Gauge("emotrace_streams_open", "Live streams", registry=own)
        self.stream_ends = Counter("emotrace_streams_total", "Live streams that ended", ["code"], registry=own)
        self.stream_audio_s = Counter("emotrace_stream_audio_seconds_total", "Seconds of live audio", registry=own)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
