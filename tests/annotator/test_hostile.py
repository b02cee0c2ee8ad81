"""Files that want to harm: 300 mutated ones and some made by hand. The server answers them all, and lives."""

import io
import os
import struct
import time
import zlib

import numpy as np
import PIL.Image
import pytest

from annotating import API, Api, client_of, photo

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")
COUNT = 300


def encoded(kind):
    file = io.BytesIO()
    PIL.Image.fromarray(photo((30, 40))).save(file, kind)
    return file.getvalue()


def mutated(data, rng):
    """The file with some bytes changed, cut out, doubled, or its end lost; lengths and sizes are likely to be hit."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(0, len(data)) ** rng.choice([1.0, 0.6]))
        match rng.integers(0, 5):
            case 0:
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                data[at] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                data[at : at + 4] = int(rng.choice([0, 2**16, 2**31 - 1, 2**32 - 1])).to_bytes(4, "big")
            case 3:
                data[at:at] = data[at : at + int(rng.integers(1, 50))]
            case 4:
                del data[at : at + int(rng.integers(1, 50))]
        if len(data) < 20:
            break
    return bytes(data[: int(rng.integers(20, len(data) + 1))] if rng.random() < 0.1 else data)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def bombs():
    """Small files that want to become large."""
    zeros = zlib.compress(bytes(2**26), 9)
    gif = (
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2D\1\0;"
    )
    tiff = bytearray(encoded("TIFF"))
    for tag in (256, 257):  # width and height
        at = tiff.find(struct.pack("<H", tag))
        tiff[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 2**31 - 1)
    return {
        "wide.png": png(2**31 - 1, 1, chunk(b"IDAT", zeros)),
        "large.png": png(60000, 60000, chunk(b"IDAT", zeros)),
        "text.png": png(10, 10, *[chunk(b"zTXt", b"a\0\0" + zeros)] * 20, chunk(b"IDAT", zlib.compress(bytes(310)))),
        "profile.png": png(10, 10, chunk(b"iCCP", b"a\0\0" + zeros), chunk(b"IDAT", zlib.compress(bytes(310)))),
        "large.gif": gif,
        "large.tif": bytes(tiff),
        "large.bmp": encoded("BMP")[:18] + struct.pack("<ii", 2**30, 2**30) + encoded("BMP")[26:],
        "large.ppm": b"P6 99999 99999 255\n",
        "endless.ppm": b"P6 " + b"1" * 10_000_000,
        "film.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "script.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "named.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\nshowpage\n",
        "page.png": b"<!doctype html><script>alert(1)</script>",
    }


def asked(api, photo_id):
    """Look at a photo in all ways; each answer is a picture of ours or a problem."""
    for path, size in (("", None), ("/view?side=64", 64), ("/thumb", 256)):
        answer = api.client.get(f"{API}/photos/{photo_id}{path}")
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert "Traceback" not in answer.text
        elif size:
            assert answer.headers["content-type"] == "image/jpeg"
            with PIL.Image.open(io.BytesIO(answer.content)) as picture:
                assert max(picture.size) <= size


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_mutated_and_hostile_files_do_no_harm(tmp_path):
    root, rng = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    originals = {kind: encoded(kind) for kind in FORMATS}
    for number in range(COUNT):
        kind = FORMATS[number % len(FORMATS)]
        (root / f"{number}.{kind.lower()}").write_bytes(mutated(originals[kind], rng))
    for name, data in bombs().items():
        (root / name).write_bytes(data)
    PIL.Image.fromarray(photo()).save(root / "good.png")
    with client_of(root) as client:
        api, began = Api(client), time.process_time()
        items = api("GET", "/photos?limit=1000")["items"]
        assert len(items) == COUNT + len(bombs()) - 2 + 1, "PostScript and SVG are no photos"
        for item in items:
            asked(api, item["id"])
        assert time.process_time() - began < 60
        good = next(item for item in items if item["name"] == "good.png")
        assert api("GET", f"/photos/{good['id']}")["photo"]["problem"] is None
        assert api.click(api.new(good["id"])["id"], 60, 40)["patch"]
        unreadable = api("GET", "/folder")["counts"]["unreadable"]
        assert COUNT / 6 < unreadable < len(items), "some mutations are harmless, many are not"
        if os.path.exists("/proc/self/status"):
            with open(f"/proc/{client.annotator.decoder._child.process.pid}/status") as status:
                peak_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
            assert peak_kb < 1_000_000


def test_a_decoder_that_crashes_takes_nothing_with_it(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for name in ("a.png", "b.png"):
        PIL.Image.fromarray(photo()).save(root / name)
    with client_of(root) as client:
        api = Api(client)
        api("GET", "/photos/1")
        client.annotator.decoder._child.process.kill()
        client.annotator.decoder._child.process.wait()
        assert api("GET", "/photos/2")["photo"]["problem"] is None
