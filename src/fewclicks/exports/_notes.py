"""What a format lost, counted, to be said in one sentence for each kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Count:
    things: int = 0
    total: int = 0
    most: int = 0


class Notes:
    """Counts losses. A sentence may hold {n} ("3 objects"), {sum} and {most} (pixels, or what was counted)."""

    def __init__(self, thing: str = "object") -> None:
        self._thing = thing
        self._counts: dict[tuple[str, str], _Count] = {}

    def add(self, sentence: str, pixels: int = 0, thing: str | None = None) -> None:
        """One more object of which the sentence is true, to the extent of so many pixels."""
        count = self._counts.setdefault((sentence, thing or self._thing), _Count())
        count.things += 1
        count.total += pixels
        count.most = max(count.most, pixels)

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind of loss, in the order in which they were met first."""
        return tuple(
            sentence.format(n=_counted(count.things, thing), sum=f"{count.total:,}", most=f"{count.most:,}")
            for (sentence, thing), count in self._counts.items()
        )


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
