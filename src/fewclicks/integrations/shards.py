"""Long jobs in shards: each is written whole or not at all, one that is done is skipped, and all are put together.

So any scheduler may start a shard again, or twice. A shard is done when its output is there and its report says that
the same input and settings made it; the report is written first where the output is a file, last where it is a folder.
Putting the shards together ends them: what was made of all of them stands for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from fewclicks.errors import InputError
from fewclicks.files import bounded
from fewclicks.files.replace import write_json

Row = TypeVar("Row")
"""What became of one thing of a job: a dataclass of plain values."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th photo (or file) of a set, from `index` on; `index` is counted from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise InputError(f"a shard is i/n with 1 <= i <= n, got {self.index}/{self.count}")

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"

    def holds(self, number: int) -> bool:
        """Tell whether thing `number`, counted from 0, is of this shard."""
        return number % self.count == self.index - 1


WHOLE = Shard()


def parse_shard(text: str) -> Shard:
    """The shard that "2/8" means: the second of eight."""
    index, slash, count = text.partition("/")
    digits = all(part.isascii() and part.isdecimal() and len(part) < 10 for part in (index, count))
    if not (slash and digits and 1 <= int(index) <= int(count)):
        raise InputError(f"'{text}' is no shard; write i/n with 1 <= i <= n, as 2/8")
    return Shard(int(index), int(count))


def named(out: Path, shard: Shard) -> Path:
    """The name of a shard's output, OUT-2-of-8.json for OUT.json; OUT itself where there is one shard only."""
    return out if shard == WHOLE else out.with_name(f"{out.stem}-{shard}{out.suffix}")


class ShardedJob(Generic[Row]):
    """A base for frozen dataclasses with the fields `out` and `shard`: how far such a job is, and how it is ended."""

    __slots__ = ()
    out: Path
    shard: Shard

    KIND: ClassVar[str]
    """The report is OUT.KIND.json, with the fingerprint under `fewclicks_KIND`."""
    TABLE: ClassVar[str]
    """In a report: the rows."""
    ROW: ClassVar[Callable[..., Any]]
    COMMAND: ClassVar[str]
    """The words by which users run it."""

    @property
    def target(self) -> Path:
        """Tell where this shard goes."""
        return named(self.out, self.shard)

    @property
    def report(self) -> Path:
        """Tell where its report goes, beside the output."""
        return self.target.with_name(f"{self.target.stem}.{self.KIND}.json")

    def fingerprint(self) -> str:
        """Name what the result depends on: the same for the same input and settings, whatever the shard."""
        raise NotImplementedError

    def has_report(self) -> bool:
        """Tell whether the report is there. InputError where another file is in its place: it may be what is read."""
        if not self.report.exists():
            return False
        with open(self.report, "rb") as file:
            head = file.read(100)
        if f'"fewclicks_{self.KIND}"'.encode() not in head:
            raise InputError(
                f"the report would go to '{self.report}', which {self.COMMAND} did not write, or which is damaged; "
                "name another place by -o, or delete it"
            )
        return True

    def is_ours(self) -> bool:
        """Tell whether what is at the target was made by such a job."""
        return self.has_report()

    def of(self, shard: Shard) -> Self:
        """The same job for another shard."""
        return replace(self, shard=shard)  # type: ignore[type-var]  # those that are made are dataclasses

    def shards(self, count: int) -> list[Self]:
        """All shards of the job."""
        return [self.of(Shard(index, count)) for index in range(1, count + 1)]

    def finished(self, print_of: str | None = None) -> list[Row] | None:
        """Tell what became of each thing of a shard that is done, by itself or put together with all others; else None.

        `print_of`: the fingerprint, where it is known. InputError where what is there was made of something else.
        """
        print_of = print_of or self.fingerprint()
        own = self._finished(print_of)
        return self.of(WHOLE)._finished(print_of) if own is None and self.shard != WHOLE else own

    def _finished(self, print_of: str) -> list[Row] | None:
        """Do as `finished`, of this shard's own output."""
        has_report = self.has_report()
        if not self.target.exists():
            return None
        if not has_report:
            if self.is_ours():
                return None
            raise InputError(
                f"'{self.target}' exists and {self.COMMAND} did not make it; name another place by -o, or delete it"
            )
        try:
            report = bounded.read_json(self.report, bounded.JSON_BYTES)
            rows = [self.ROW(**row) for row in report[self.TABLE]]
            made_of = report[f"fewclicks_{self.KIND}"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"the report '{self.report}' is damaged ({error}); delete it, or pass --overwrite"
            ) from None
        if made_of != print_of:
            raise InputError(
                f"'{self.target}' was made of another input or with other settings; name another place by -o, or pass "
                "--overwrite"
            )
        return rows

    def forget(self) -> None:
        """Remove what earlier runs made for a shard, so that it is done again, and what was made of all shards with it.

        InputError for what no such job made.
        """
        jobs = [self] if self.shard == WHOLE else [self, self.of(WHOLE)]
        for job in jobs:
            job.has_report()
            if job.target.exists() and not job.is_ours():
                raise InputError(
                    f"{self.COMMAND} did not make '{job.target}'; delete it yourself, or name another place by -o"
                )
        for job in jobs:
            job.remove()

    def remove(self) -> None:
        """Remove the output of this shard, and its report."""
        if not self.target.is_dir():
            self.target.unlink(missing_ok=True)
        self.report.unlink(missing_ok=True)

    def write_report(self, print_of: str, rows: Sequence[Any]) -> None:
        """Say what became of the things of a shard."""
        write_json(self.report, {f"fewclicks_{self.KIND}": print_of, self.TABLE: [asdict(row) for row in rows]})

    def join(self, count: int, write: Callable[[Sequence[Self], list[Row]], list[Row]]) -> list[Row]:
        """Put `count` shards together as if there had been one, and remove them.

        `write` is given the shards and their rows, writes the whole, and tells the rows in their order. InputError
        where a shard is not done yet.
        """
        print_of = self.fingerprint()
        done = self._finished(print_of)
        shards = self.shards(count)
        if done is None:
            reports = [shard._finished(print_of) for shard in shards]
            missing = [str(shard.shard) for shard, rows in zip(shards, reports, strict=True) if rows is None]
            if missing:
                raise InputError(
                    f"{len(missing)} of {count} shards must still be done, as {missing[0]}; run them, then join again"
                )
            done = write(shards, [row for rows in reports for row in rows or ()])
        for shard in shards if count > 1 else ():
            shard.remove()
        return done
