"""How much one download may cost, and what is said where it costs more."""

from dataclasses import dataclass

from talkmill.address import shown_address
from talkmill.stages.errors import VideoTooLargeError


@dataclass(frozen=True, slots=True)
class WebLimits:
    """How much one download may cost.

    Attributes:
        max_bytes: Its bytes, in all and in one file.
        max_seconds: Its time, also while nothing comes.
        max_memory_bytes: Memory of its process, beside code and mapped files.
    """

    max_bytes: int = 20 << 30
    max_seconds: float = 4 * 3600
    max_memory_bytes: int = 512 << 20

    def too_many_bytes(self, address: str, measure: int | None = None) -> VideoTooLargeError:
        """Return the error of a download with too many bytes."""
        return VideoTooLargeError(f"{shown_address(address)} has more than {self.max_bytes} bytes", measure=measure)

    def too_long(self, address: str) -> VideoTooLargeError:
        """Return the error of a download that takes too long."""
        return VideoTooLargeError(f"{shown_address(address)} takes more than {self.max_seconds:g} s to download")

    def too_much_memory(self, address: str) -> VideoTooLargeError:
        """Return the error of a download that needs too much memory."""
        return VideoTooLargeError(
            f"{shown_address(address)} needs more than {self.max_memory_bytes} bytes of memory to read"
        )
