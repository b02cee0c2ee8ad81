"""What a format lost, counted, to be said in one sentence for each kind."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from fewclicks.errors import counted, one_line

SHOWN = 60
"""Letters of a name that are shown in a sentence."""
NUMBERS = re.compile(r"\d[\d.,]*")


@dataclass(slots=True)
class _Count:
    things: int = 0
    total: int = 0
    most: int = 0


class Notes:
    """Counts losses. A sentence may hold {n} ("3 objects"), {sum} (1,234), {most} ("12 pixels")."""

    def __init__(self, thing: str = "object") -> None:
        self._thing = thing
        self._counts: dict[tuple[str, str], _Count] = {}
        self._reasons: dict[str, tuple[str, str, int]] = {}
        self.left_out = 0
        """Annotations of a source that are no objects now; each of them is in one of the sentences."""

    def add(self, sentence: str, pixels: int = 0, thing: str | None = None) -> None:
        """One more object of which the sentence is true, to the extent of so many pixels."""
        count = self._counts.setdefault((sentence, thing or self._thing), _Count())
        count.things += 1
        count.total += pixels
        count.most = max(count.most, pixels)

    def left(self, sentence: str) -> None:
        """Note as `add` does, for an annotation of a source that does not become an object."""
        self.add(sentence)
        self.left_out += 1

    def refuse(self, which: str, reason: object, count: int = 1) -> None:
        """Annotations that cannot be used. Those whose reasons differ only in numbers are told of in one sentence."""
        text = one_line(reason, 300)
        first, why, so_far = self._reasons.get(alike(text), (one_line(which, 120), text, 0))
        self._reasons[alike(text)] = (first, why, so_far + count)
        self.left_out += count

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind of loss, in the order in which they were met first."""
        counts = [
            sentence.format(n=counted(count.things, thing), sum=f"{count.total:,}", most=counted(count.most, "pixel"))
            for (sentence, thing), count in self._counts.items()
        ]
        for which, why, count in self._reasons.values():
            counts.append(f"{which}: {why}; left out" if count == 1 else
                          f"{counted(count, self._thing)} left out, as {which}: {why}")  # fmt: skip
        return tuple(_shown(text) for text in counts)


def _shown(text: str) -> str:
    """A sentence without what moves the cursor of a terminal, or is half a letter; files may hold anything."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def alike(sentence: str) -> str:
    """Tell what sentences have in common that differ only in their numbers."""
    return NUMBERS.sub("#", sentence)


def quoted(name: str) -> str:
    """A name within a sentence: at most so much of it as one reads, on one line."""
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    odd = any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    return repr(shown) if odd else f"'{shown}'"
