"""Only the raster formats of the one list are opened, by every reader, whatever a file is called."""

import ast
import base64
import io
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from fewclicks import formats
from fewclicks.annotator.services.decoder import Decoder
from fewclicks.datasets import coco_files, pairs
from fewclicks.errors import FewClicksError, InputError
from fewclicks.formats import id_pictures
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.images.raster_formats import FORMATS, SUFFIXES, open_raster
from fewclicks.images.reading import read_image, read_mask

SOURCE = Path(__file__).parents[2] / "src" / "fewclicks"
HW = (32, 32)
FITS_CARDS = (b"SIMPLE  = T", b"BITPIX  = 8", b"NAXIS   = 2", b"NAXIS1  = 32", b"NAXIS2  = 32", b"END")
CRAFTED = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n(x) print\nshowpage\n%%EOF\n",
    "DOS EPS": b"\xc5\xd0\xd3\xc6" + bytes(28) + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n",
    "PDF": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(8) + b"\x20\0\x20\0\x48\0" + bytes(4) + b"\1\0\t\0" + bytes(40),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='32' height='32'/>",
    "GRIB": b"GRIB\0\0\0\1" + bytes(40),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "BUFR": b"BUFR" + bytes(40),
    "MPEG": b"\0\0\1\xb3\x02\x00\x20\x14" + bytes(20),
    "FITS": b"".join(card.ljust(80) for card in FITS_CARDS).ljust(2880) + bytes(2880),
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\1\0\0\0\x20\0\0\0\x20\0\x08\0\1" + bytes(14) + bytes(1024),
    "PCD": bytes(2048) + b"PCD_" + bytes(400000),
    "XPM": b'/* XPM */\nstatic char *a[] = {\n"1 1 1 1",\n"a c #000000",\n"a"};\n',
    "FLI": b"\x80\0\0\0\x12\xaf\1\0\x20\0\x20\0\x08\0\3\0" + bytes(112),
    "SUN": b"\x59\xa6\x6a\x95" + (32).to_bytes(4, "big") * 2 + (8).to_bytes(4, "big") + bytes(16) + bytes(1024),
    "GBR": (28).to_bytes(4, "big") + (2).to_bytes(4, "big") + (32).to_bytes(4, "big") * 2 + (1).to_bytes(4, "big")
    + b"GIMP" + bytes(1100),
    "MCIDAS": b"\0\0\0\0\0\0\0\4" + bytes(300),
    "XVTHUMB": b"P7 332\n#END_OF_COMMENTS\n32 32 255\n" + bytes(1024),
    "PIXAR": b"\200\350\000\000" + bytes(600),
    "FTEX": b"FTEX" + bytes(100),
    "DCX": b"\xb1\x68\xde\x3a" + bytes(100),
}  # fmt: skip
"""Files of formats that Pillow opens, or other software does, and that it does not write."""


def written():
    """A picture in each format that Pillow writes, by Pillow's name of it."""
    PIL.Image.init()
    picture, found = PIL.Image.fromarray(np.full((*HW, 3), 200, np.uint8)), {}
    for name in sorted(PIL.Image.SAVE):
        for mode in ("RGB", "L", "1", "P"):
            file = io.BytesIO()
            try:
                picture.convert(mode).save(file, name)
            except Exception:  # it cannot have this mode, or is only handed on to other software
                continue
            found[name] = file.getvalue()
            break
    return found


WRITTEN = written()
READ_AS = {"MPO": "JPEG"}
GOOD = {name: data for name, data in WRITTEN.items() if READ_AS.get(name, name) in FORMATS}
BAD = {**CRAFTED, **{f"{name}, written": data for name, data in WRITTEN.items() if name not in GOOD}}
PHOTO = AnnotatedPhoto("a.jpg", HW)


def imported(name, source):
    """Read an import; what it notes of objects that cannot be read is an error here."""
    (photo,) = formats.read(name, source, [PHOTO])
    if not photo.objects:
        raise InputError(*photo.notes[:1])


def index_png(path):
    imported("index_png", path)


def binary_png(path):
    folder = path.parent / "sub"
    (folder / "a").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "1-x.png").write_bytes(path.read_bytes())
    imported("binary_png", folder)


READERS = {
    "images.read_image": read_image,
    "images.read_image, opened": lambda path: read_image(io.BytesIO(path.read_bytes())),
    "images.read_mask": lambda path: read_mask(path, HW),
    "datasets": pairs.read_mask,
    "layers": coco_files.read_layers_info,
    "index_png": index_png,
    "binary_png": binary_png,
    "labelme": lambda path: id_pictures.read_pixels(base64.b64decode(base64.b64encode(path.read_bytes())), HW),
}


def test_the_list_holds_what_people_have():
    assert {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "MPO"} <= set(GOOD)
    endings = {
        ending for ending, name in PIL.Image.registered_extensions().items() if READ_AS.get(name, name) in FORMATS
    }
    assert endings - {".vda", ".icb", ".vst"} <= SUFFIXES <= endings | {".apng", ".avif", ".avifs"}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_in_the_list_is_read(name, tmp_path):
    path = tmp_path / "a.dat"  # the ending does not matter
    path.write_bytes(GOOD[name])
    assert np.abs(read_image(path)[10:20, 10:20].astype(int) - 200).max() < 60 or name == "GIF"
    assert read_mask(path, HW).shape == HW


@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_in_the_list_is_opened_by_no_reader(reader, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("a program is started")

    monkeypatch.setattr(subprocess, "Popen", never)
    PIL.Image.init()  # as another library may have done
    path = tmp_path / "a.png"
    for name, data in BAD.items():
        path.write_bytes(data)
        with pytest.raises(FewClicksError) as error:
            READERS[reader](path)
        assert len(str(error.value).splitlines()) == 1, name


def test_the_decoder_and_detection_open_nothing_else(tmp_path):
    with closing(Decoder()) as decoder:
        for number, (name, data) in enumerate(BAD.items()):
            path = tmp_path / f"{number}_mask.png"
            path.write_bytes(data)
            (tmp_path / f"{number}.jpg").write_bytes(GOOD["JPEG"])
            asks = (
                decoder.image,
                decoder.hw,
                lambda path: decoder.thumbnail(path, 8),
                lambda path: decoder.image(path.read_bytes()),
            )
            for ask in asks:
                with pytest.raises(FewClicksError, match="not an image that can be read"):
                    ask(path)
            assert decoder.masks(tmp_path, [f"{number}.jpg", path.name]) == frozenset(), name
        assert decoder.image(tmp_path / "0.jpg").shape == (*HW, 3)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the fake program is a shell script")
def test_postscript_named_png_reaches_no_ghostscript(tmp_path):
    """By the command line, with a program named gs that leaves a trace if it is started."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho 10.0; touch {tmp_path}/started\n")
    (programs / "gs").chmod(0o755)
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    (tmp_path / "evil.png").write_bytes(CRAFTED["EPS"])
    (tmp_path / "images" / "a.jpg").write_bytes(GOOD["JPEG"])
    (tmp_path / "masks" / "a.png").write_bytes(CRAFTED["EPS"])
    code = (
        "import sys; from fewclicks.cli import main\n"
        "for words in sys.argv[1].split(';'):\n"
        "    try: main(words.split())\n"
        "    except SystemExit as end: print(end.code)\n"
    )
    commands = (
        "segment evil.png --click 1,1 --method grow;segment images/a.jpg --mask evil.png --click 1,1 --method grow;"
    )
    commands += "bench folder --data-root . --method grow;import images masks"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, "-c", code, commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.split()[:3] == ["2", "2", "2"], ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "started").exists()


def test_only_plug_ins_of_the_list_are_loaded():
    code = "import sys; from fewclicks.images.reading import read_image; read_image(sys.argv[1]); "
    code += "print('PIL.EpsImagePlugin' in sys.modules)"
    example = SOURCE.parents[1] / "examples" / "images" / "coffee.png"
    ended = subprocess.run([sys.executable, "-c", code, example], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


@pytest.mark.slow
def test_pictures_are_opened_in_one_place_only():
    """`Image.open` stands in raster_formats.py. Two libraries decode what Pillow cannot, in decoding.py, and only of
    files whose first bytes say PNG, JPEG 2000, PPM or TIFF: of others they know more formats than the list has.
    """
    openers = {"imread", "imdecode", "imreadmulti", "imdecodemulti", "VideoCapture"}
    libraries = {"imageio", "skimage", "tifffile", "pyvips", "matplotlib.image", "PIL.ImageFile", "PIL.ImageGrab"}
    places = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = (
                [module + alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            found = {name for name in libraries if any(f"{known}.".startswith(f"{name}.") for known in names)}
            if isinstance(node, ast.Attribute):
                found |= {node.attr} & openers
                found |= {"open"} if ast.unparse(node).endswith("Image.open") else set()
            places |= {(file.relative_to(SOURCE).as_posix(), name) for name in found}
    assert places == {
        ("images/raster_formats.py", "open"),
        ("images/decoding.py", "imdecode"),
        ("images/decoding.py", "tifffile"),
    }
    with pytest.raises(PIL.UnidentifiedImageError):
        open_raster(io.BytesIO(CRAFTED["EPS"]))


@pytest.mark.parametrize("kind", [".exr", ".hdr", ".ras", ".pam"])
def test_opencv_opens_no_format_of_its_own(kind, tmp_path):
    pixels = np.zeros((*HW, 3), np.float32 if kind in (".exr", ".hdr") else np.uint8)
    try:
        done, data = cv2.imencode(kind, pixels)
    except cv2.error:  # OpenEXR is switched off
        done, data = True, np.frombuffer(b"\x76\x2f\x31\x01" + bytes(200), np.uint8)
    assert done
    with pytest.raises(FewClicksError):
        read_image(io.BytesIO(data.tobytes()))
