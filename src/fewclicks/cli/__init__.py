"""The command line: one file per command, each thin. What is heavy is imported within the commands.

Errors are one line on stderr and exit code 2; Ctrl-C exits 130; results go to stdout, progress to stderr.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Annotated

import typer

from fewclicks.child_process import end_with_parent
from fewclicks.cli.annotate import annotate
from fewclicks.cli.backup import backup, restore
from fewclicks.cli.bench import bench
from fewclicks.cli.build_coco_lvis import build_coco_lvis
from fewclicks.cli.check import check
from fewclicks.cli.compare import compare
from fewclicks.cli.convert import convert
from fewclicks.cli.datasets import datasets
from fewclicks.cli.doctor import doctor
from fewclicks.cli.export import export
from fewclicks.cli.export_onnx import export_onnx
from fewclicks.cli.figures import figures
from fewclicks.cli.import_annotations import import_annotations
from fewclicks.cli.listing import listing
from fewclicks.cli.people import people
from fewclicks.cli.quantize import quantize
from fewclicks.cli.refine import refine
from fewclicks.cli.segment import segment
from fewclicks.cli.serve import serve
from fewclicks.cli.table4 import table4
from fewclicks.cli.train import train
from fewclicks.errors import FewClicksError, one_line
from fewclicks.files.scratch import sweep
from fewclicks.plugins import blame

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", add_completion=False)
app.command()(segment)
app.command()(annotate)
app.command()(export)
app.command("import")(import_annotations)
app.command()(refine)
app.command()(serve)
app.add_typer(people, name="people")
app.command()(backup)
app.command()(restore)
app.command()(check)
app.command()(bench)
app.command()(compare)
app.command()(table4)
app.command()(train)
app.command()(export_onnx)
app.command("quantise")(quantize)
app.command()(convert)
app.command()(figures)
app.command("list")(listing)
app.add_typer(datasets, name="datasets")
app.command()(build_coco_lvis)
app.command()(doctor)

TRACEBACK = "FEWCLICKS_TRACEBACK"
"""The environment variable that shows where code of the user's own failed."""

EPILOG = """[bold]Examples[/bold]

fewclicks segment photo.jpg --click 310,190 --click -420,80 -o mask.png

fewclicks segment photo.jpg --click 310,190 --cutout -o object.png

fewclicks annotate photos/

fewclicks bench grabcut --data-root DIR --cfr 1

fewclicks train toy steps=20 --out runs/first

fewclicks COMMAND --help tells the rest.
"""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"fewclicks {version('fewclicks')}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def fewclicks(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="MODULE", help="A module of your own that checkpoints and sessions may name. Repeatable."
        ),
    ] = None,
) -> None:
    """Click on an object, get its mask: interactive image segmentation with the fewest clicks."""
    if allow:
        from fewclicks.plugins import allow as let

        let(*allow)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line (None: that of the process) and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    end_with_parent()
    _end_politely()
    _warn_once()
    sweep()
    try:
        code = app(arguments, prog_name="fewclicks", standalone_mode=False)
        if sys.stdout is not None:  # None: it was closed before the start (`>&-`)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except FewClicksError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:  # the reader of a pipe left (`... | head`): nothing to say, and nobody to say it to
        sys.stdout = None
        return 141
    except OSError as error:  # a disk that is full, a name that is too long, a folder in the way
        if error.filename is None:
            sys.stdout = None  # it may be stdout itself
        place = f"'{error.filename}'" if error.filename is not None else "a file"
        return _fail(f"{place} cannot be read or written ({error.strerror or error}); check the place and the disk")
    except Exception as error:
        return _fail_of(error)


def _fail_of(error: Exception) -> int:
    """End with what is wrong about a usage, or with the user's own code; raise what is neither."""
    # A usage error. Its class lives in click or in typer, depending on typer's version.
    if not hasattr(error, "format_message"):
        place = blame(error)
        if not place or os.environ.get(TRACEBACK):
            raise error
        return _fail(f"your own code failed in {place}; mend it ({TRACEBACK}=1 shows all of the traceback)")
    context = getattr(error, "ctx", None)
    if not error.format_message():  # no arguments: the help was printed
        return 2
    hint = f"; see: {context.command_path} --help" if context else ""
    return _fail(error.format_message().rstrip(".") + hint)


def _warn_once() -> None:
    """Say each warning once."""
    if logging.lastResort is not None:
        logging.lastResort.filters = [_Once()]


class _Once(logging.Filter):
    """Passes each message once: a dataset may be opened several times, and a photo read for each of its objects."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it was not said yet."""
        text = record.getMessage()
        is_new = text not in self._said
        self._said.add(text)
        return is_new


def _end_politely() -> None:
    """Have SIGTERM and SIGHUP end the command as an error does, so that its temporary files are removed."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # the next one kills
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, end)


def _fail(message: str) -> int:
    print(f"fewclicks: {one_line(message, None)}", file=sys.stderr)  # also of a folder tree
    return 2
