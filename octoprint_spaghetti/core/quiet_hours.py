"""The hours of the day in which a message may wait: what a person types, and whether a moment lies in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: How they are typed: ``22:00-07:00``.
TYPED = r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)"


@dataclass(frozen=True)
class QuietHours:
    """From ``start`` up to but not including ``end``, minutes since local midnight; over midnight when ``end`` comes first."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> QuietHours | None:
        """Read what a person typed; raises :class:`ValueError`. An empty text, or no time at all, gives None."""
        if not text.strip():
            return None
        match = re.fullmatch(TYPED, text.strip())
        if match is None:
            raise ValueError(text)
        hours, minutes, end_hours, end_minutes = map(int, match.groups())
        start, end = 60 * hours + minutes, 60 * end_hours + end_minutes
        return cls(start, end) if start != end else None

    def cover(self, minute: int) -> bool:
        """Return whether a minute of the day (0 to 1439) lies in the quiet hours."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{self.start // 60:02d}:{self.start % 60:02d}-{self.end // 60:02d}:{self.end % 60:02d}"
