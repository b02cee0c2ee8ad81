"""The errors fewclicks raises on purpose. Each says what was wrong, what was got and what to do.

FewClicksError
├── InputError        (also ValueError)    an image, click, mask or option that cannot be used
├── UnknownName       (also LookupError)   no method, dataset, recipe ... of that name
├── MissingExtra      (also ImportError)   an optional dependency is not installed
├── CheckpointError                        a weight file that is missing, damaged or of another network
├── DatasetError                           a dataset folder that is not laid out as its reader expects
├── TrainingError                          a run that cannot go on (a loss that is not a number, a foreign resume)
├── StoreError                             a database of annotations that cannot be opened, read or written
└── Conflict                               what was to be changed has been changed by somebody else, or is in use
"""


class FewClicksError(Exception):
    """Base of all errors that fewclicks raises on purpose; the CLI prints it as one line and exits 2."""


class InputError(FewClicksError, ValueError):
    """An image, click, mask or option that cannot be used."""


class UnknownName(FewClicksError, LookupError):
    """No extension (method, dataset, recipe, backbone) of that name."""


class MissingExtra(FewClicksError, ImportError):
    """An optional dependency is not installed; the message names the pip command."""


class CheckpointError(FewClicksError):
    """A weight file that is missing, damaged, or made for another network."""


class DatasetError(FewClicksError):
    """A dataset folder that is not laid out as its reader expects."""


class TrainingError(FewClicksError):
    """A training run that cannot start or go on."""


class StoreError(FewClicksError):
    """A database of annotations that cannot be opened, read or written."""


class Conflict(FewClicksError):
    """Tells that somebody else has changed in the meantime what was to be changed, or uses it.

    `current` is how it is now (for objects a `records.ObjectInfo`), or None.
    """

    def __init__(self, message: str, current: object = None) -> None:
        super().__init__(message)
        self.current = current


def one_line(what: object, most: int | None = 200) -> str:
    """Say in one line what an error, a text or a path is, in at most `most` letters that UTF-8 can hold.

    An error without words is told by its type. Errors of fewclicks are told whole: `most` is None for them.
    """
    text = " ".join(str(what).split())[:most].encode("utf-8", "replace").decode("utf-8")
    if isinstance(what, KeyError):
        return f"it lacks {text}"
    return text if text or not isinstance(what, BaseException) else type(what).__name__


def sentence(text: str) -> str:
    """Give a message as people are told it: one line that begins with a capital; names in quotes stay as they are."""
    line = one_line(text, None)
    return line[:1].upper() + line[1:]


def counted(count: int, noun: str, verb: str = "") -> str:
    """Tell how many there are: "1 photo", "2,000 photos", "0 classes"; with a verb "1 photo has", "2 photos have".

    `noun` and `verb` are given as for one.
    """
    if count != 1:
        if noun.endswith("y") and noun[-2:-1] not in "aeiou":
            noun = f"{noun[:-1]}ies"
        else:
            noun += "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
        verb = {"is": "are", "has": "have", "was": "were"}.get(verb, verb.removesuffix("s"))
    return f"{count:,} {noun} {verb}".rstrip()
