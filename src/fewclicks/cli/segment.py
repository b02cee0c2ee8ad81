"""`fewclicks segment`: a photo and clicks in, a mask or cut-out file out."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError, counted

if TYPE_CHECKING:
    from fewclicks.clicks import Click
    from fewclicks.config import ResolvedPredictor
    from fewclicks.images.levels import Levels
    from fewclicks.images.mask_meaning import MaskIs
    from fewclicks.session import Session

Prompt: TypeAlias = tuple[str, tuple[Any, ...]]
"""Something that is said of the object: the method of the session, and what it is given."""

ClickTexts = Annotated[
    list[str] | None,
    typer.Option("--click", metavar="X,Y", help="A pixel (column,row) on the object; -X,Y is one off it. Repeatable."),
]
NegativeTexts = Annotated[
    list[str] | None,
    typer.Option("--negative", metavar="X,Y", help="A pixel off the object; these come after all --click."),
]
BoxText = Annotated[
    str | None,
    typer.Option("--box", metavar="X0,Y0,X1,Y1", help="A box around the object to begin with; clicks correct it."),
]
ScribbleTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--scribble",
        metavar="X,Y,X,Y,...",
        help="A stroke of clicks over the object; with - before it over what is not. Repeatable; after all --click.",
    ),
]
Choose = Annotated[
    int | None,
    typer.Option(
        "--choose", metavar="N", min=0, help="Whole or part: the Nth of the up to three masks of one click, from 0."
    ),
]
LocalOption = Annotated[
    bool | None,
    typer.Option("--local/--no-local", help="Corrections change the part they touch. Unset: those of --mask do."),
]
MaskFile = Annotated[
    Path | None, typer.Option("--mask", metavar="PNG", help="An existing mask, to be corrected by the clicks.")
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="PNG", help="Where to write; PHOTO_mask.png in this folder if unset."),
]
OverlayFile = Annotated[
    Path | None, typer.Option("--overlay", metavar="PNG", help="Write the photo with outline and clicks too.")
]


def segment(
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO", help="PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF, JPEG 2000 ...")
    ],
    click: ClickTexts = None,
    negative: NegativeTexts = None,
    box: BoxText = None,
    scribble: ScribbleTexts = None,
    choose: Choose = None,
    local: LocalOption = None,
    mask: MaskFile = None,
    mask_is: options.MaskIsText = None,
    out: OutFile = None,
    cutout: Annotated[bool, typer.Option("--cutout", help="Write the object on a transparent ground.")] = False,
    overlay: OverlayFile = None,
    method: options.MethodName = "default",
    preset: options.Preset = None,
    cfr: options.Cfr = None,
    adaptive: options.Adaptive = False,
    until_click: options.UntilClick = None,
    flip: options.FlipOption = None,
    threads: options.Threads = None,
    settings: options.Settings = None,
    levels: options.LevelsText = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:  # a parameter per option: how typer reads them
    """Click on an object in a photo and write its mask."""
    said: list[Prompt] = [("box", parse_box(box))] if box is not None else []
    clicks = [parse_click(text) for text in click or []]
    clicks += [parse_click(text, negative=True) for text in negative or []]
    said += [("click", (one.x, one.y, one.positive)) for one in clicks]
    said += [("scribble", parse_scribble(text)) for text in scribble or []]
    said += [("choose", (choose,))] if choose is not None else []
    if not said and mask is None:
        raise InputError(
            "there is nothing to do without a click; pass --click X,Y on the object (or --box, --mask PNG)"
        )
    out = out or Path(f"{photo.stem}_{'cutout' if cutout else 'mask'}.png")
    for file in (out, overlay):
        if file is not None and file.exists() and photo.exists() and file.samefile(photo):
            raise InputError(f"'{file}' is the photo itself; choose another file to write to")
    from fewclicks.config import resolve
    from fewclicks.images.levels import parse_levels
    from fewclicks.images.mask_meaning import require_mask_is

    by_hand = parse_levels(levels) if levels is not None else None
    resolved = resolve(
        method, options.plain_values(settings), preset=preset, cfr=cfr, adaptive=adaptive, until_click=until_click,
        flip=flip, threads=threads,
    )  # fmt: skip
    session, seconds = run(photo, said, mask, resolved, by_hand, require_mask_is(mask_is), local)
    session.save(out, cutout=cutout)
    if overlay is not None:
        from fewclicks import visualization

        visualization.save(visualization.overlay(session.image, session.mask, session.clicks), overlay)
    result = about(session, seconds, out)
    if as_json:
        print(json.dumps({"photo": str(photo), "method": method, **result}, indent=1))
    else:
        share, pace = (
            f"{result['area_share']:.1%}",
            f"{result['ms_per_click']:.0f} ms per click" if seconds else "no click",
        )
        print(f"{out}: the object covers {counted(result['area_px'], 'pixel')}, {share} of the photo ({pace})")
        for note in session.notes:
            print(f"  {note}")


def parse_click(text: str, negative: bool = False) -> Click:
    """ "30,40" is a click on the object at x=30, y=40; "-30,40" one off it, so "-0,5" too."""
    from fewclicks.clicks import Click

    background = text.startswith("-")
    try:
        x, y = (float(number) for number in text.removeprefix("-").split(","))
    except ValueError:
        raise InputError(f"'{text}' is no click; write X,Y in pixels, as 310,190, or -310,190 off the object") from None
    return Click(x, y, positive=not (background or negative))


def parse_box(text: str) -> tuple[float, ...]:
    """ "30,40,130,90" is the box from x=30, y=40 up to x=130, y=90."""
    try:
        x0, y0, x1, y1 = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(f"'{text:.80}' is no box; write X0,Y0,X1,Y1 in pixels, as 30,40,130,90") from None
    return x0, y0, x1, y1


def parse_scribble(text: str) -> tuple[list[tuple[float, float]], bool]:
    """ "30,40,60,50" is a stroke over the object from x=30, y=40 to x=60, y=50; "-30,40,60,50" one over what is not."""
    try:
        numbers = [float(number) for number in text.removeprefix("-").split(",")]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
    except ValueError:
        raise InputError(f"'{text:.80}' is no stroke; write X,Y,X,Y,... in pixels, as 30,40,60,50") from None
    return points, not text.startswith("-")


def run(
    photo: Path,
    said: list[Prompt],
    mask: Path | None,
    resolved: ResolvedPredictor,
    levels: Levels | None = None,
    mask_is: MaskIs | None = None,
    local: bool | None = None,
) -> tuple[Session, list[float]]:
    """The session after the mask and all that is said of the object, and the seconds that each of it took."""
    import fewclicks

    session = fewclicks.open(photo, resolved.build(), levels=levels, local=local)
    seconds = []
    if mask is not None:
        session.load_mask(mask, mask_is)
    for prompt, given in said:
        began = perf_counter()
        getattr(session, prompt)(*given)
        seconds.append(perf_counter() - began)
    return session, seconds


def about(session: Session, seconds: list[float], out: Path) -> dict[str, Any]:
    """The result as plain data. `box`: [x0, y0, x1, y1], half-open, or null for an empty mask."""
    from fewclicks.geometry import Box

    box = Box.around(session.mask)
    area_px = int(session.mask.sum())
    return {
        "out": str(out),
        "width": session.mask.shape[1],
        "height": session.mask.shape[0],
        "clicks": [{"x": click.x, "y": click.y, "positive": click.positive} for click in session.clicks],
        "area_px": area_px,
        "area_share": round(area_px / session.mask.size, 5),
        "box": [box.x0, box.y0, box.x1, box.y1] if box else None,
        "notes": session.notes,
        "ms_per_click": round(1000 * sum(seconds) / len(seconds), 1) if seconds else None,
    }
