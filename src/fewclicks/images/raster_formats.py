"""The one list of picture formats that are read, and the one place where Pillow opens a file.

Pillow knows forty formats more. They stay shut, whatever a file is called, because some start a program (EPS:
Ghostscript), some are documents or drawings that another system draws (PDF, WMF, EMF), some only hand the file to
other software (GRIB, HDF5, BUFR, MPEG), one unpacks without bound (FITS), and the rest are rare while each is one more
parser for a hostile file. Only the plug-ins of the list are ever imported here.

| format     | endings                                  | why                                    |
|------------|------------------------------------------|----------------------------------------|
| PNG        | .png .apng                               | masks, screenshots                     |
| JPEG       | .jpg .jpeg .jpe .jfif .mpo               | cameras; of an MPO the first picture   |
| WEBP, AVIF | .webp .avif .avifs                       | the web, phones                        |
| TIFF       | .tif .tiff                               | microscopes, scanners                  |
| BMP        | .bmp .dib                                | Windows                                |
| GIF        | .gif                                     | the web; the first frame               |
| JPEG2000   | .jp2 .j2k .jpf .jpx .jpc .j2c            | satellites, medicine                   |
| PPM        | .ppm .pgm .pbm .pnm .pfm                 | research                               |
| TGA        | .tga .icb .vda .vst                      | renderers                              |
| ICO        | .ico                                     | icons; the largest one                 |
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import PIL.Image

# Imported for what they register: Pillow would otherwise load all of its plug-ins to find them.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

with suppress(ImportError):  # older than 11.3
    from PIL import AvifImagePlugin  # noqa: F401

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "PPM", "ICO", "TGA")
"""Pillow's names of the formats, in the order in which a file is tried: TGA, which has no signature, comes last."""

_SUFFIXES = """
.apng .avif .avifs .bmp .dib .gif .icb .ico .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .mpo .pbm .pfm .pgm
.png .pnm .ppm .tga .tif .tiff .vda .vst .webp
"""
SUFFIXES = frozenset(_SUFFIXES.split())
"""The endings, in small letters, of the files that are listed as pictures."""


def open_raster(source: str | os.PathLike[str] | IO[bytes], formats: Sequence[str] = FORMATS) -> PIL.Image.Image:
    """Open a picture without decoding its pixels; what it is decides its content, never its name.

    Raises what Pillow raises, `PIL.UnidentifiedImageError` for any format that is not in `formats`.
    """
    return PIL.Image.open(source, formats=[name for name in formats if name in PIL.Image.OPEN])
