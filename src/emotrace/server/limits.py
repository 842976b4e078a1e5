"""How much a server takes on before it says no."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server; together they bound its memory, disk and processor time.

    Attributes:
        max_mb: Largest upload in MB (10^6 bytes).
        max_minutes: Longest recording, and longest live stream.
        workers: Recordings worked on at a time, each in a process of its own.
        queue: Recordings that may wait for a worker, while they are sent or after; more are refused with 429.
        streams: Live streams at a time.
        timeout_s: Longest that a recording is worked on.
        upload_s: Longest that an upload may take.
        idle_s: Longest silence of a client in the middle of an upload or a head, or that does not take its answer.
        stream_idle_s: Longest silence of a live stream.
    """

    max_mb: float = 200.0
    max_minutes: float = 60.0
    workers: int = 2
    queue: int = 16
    streams: int = 20
    timeout_s: float = 120.0
    upload_s: float = 300.0
    idle_s: float = 15.0
    stream_idle_s: float = 30.0

    @property
    def max_bytes(self) -> int:
        """`max_mb` in bytes."""
        return int(self.max_mb * 1e6)

    @property
    def max_s(self) -> float:
        """`max_minutes` in seconds."""
        return self.max_minutes * 60
