"""Files that ask for far more memory than they have bytes.

`python greedy_files.py FOLDER` reads each in a process that may take 400 MiB more than it has, and prints how it went.
"""

import base64
import gzip
import hashlib
import json
import os
import resource
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL.Image

from fewclicks import formats
from fewclicks.checkpoints import checkpoint, pth
from fewclicks.datasets import download, mat, plain_pickle
from fewclicks.errors import FewClicksError
from fewclicks.evaluation import report
from fewclicks.files import archives, bounded
from fewclicks.files.archives import unzip
from fewclicks.formats import rle
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.methods import default
from fewclicks.session import Session
from fewclicks.training.recipe import Recipe

MORE_BYTES = 400 * 2**20
BRACKETS = b"[" + b"[]," * (10 * 2**20) + b"0]"
"""30 MiB that would take 900."""
PHOTOS = [AnnotatedPhoto("a.png", (4, 5))]


def session_document(**action):
    image = {"path": "a.png", "width": 5, "height": 4, "sha256": ""}
    named = {"method": "grow", "options": {}}
    return {"fewclicks_session": 1, "image": image, "predictor": named, "actions": [action]}


def json_of(folder):
    path = folder / "a.json"
    path.write_bytes(BRACKETS)
    yield "json", lambda: bounded.read_json(path)
    yield "json text", lambda: Recipe.from_json(BRACKETS.decode())
    yield "coco", lambda: formats.read("coco", path, PHOTOS)
    yield "report", lambda: report.read_json(path)
    yield "session", lambda: Session.replay(path)
    saved = folder / "checkpoint"
    saved.mkdir()
    (saved / "config.json").write_bytes(BRACKETS[: 15 * 2**20] + b"0]")
    yield "config", lambda: checkpoint.load(saved)
    yield "own options", lambda: default.build(weights=saved)
    (folder / "wide.json").write_text('["' + "a" * 60_000_000 + '\U0001f600"]', "utf-8")
    yield "one rare letter", lambda: bounded.read_json(folder / "wide.json")
    yield "deep", lambda: bounded.parse_json("[" * 10**6)
    (folder / "note.json").write_bytes(BRACKETS)
    yield "note is empty", lambda: refused(download.read_note(folder / "note.json") == {})


def refused(right):
    if right:
        raise ValueError("as it should be")


def session_of(folder):
    PIL.Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(folder / "a.png")
    packed = zlib.compressobj()
    bomb = base64.b64encode(b"".join(packed.compress(bytes(2**20)) for _ in range(60)) + packed.flush()).decode()
    document = session_document(prob_float32_zlib=bomb)
    document["image"]["sha256"] = hashlib.sha256(bytes(60)).hexdigest()
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    yield "session mask", lambda: Session.replay(path)
    document["image"] |= {"width": 10**6, "height": 10**6}
    (folder / "large.json").write_text(json.dumps(document))
    yield "session size", lambda: Session.replay(folder / "large.json")


def zip_of(folder):
    path = folder / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as file:
        for _ in range(120):
            file.write(b"[]," * 349_525)
    yield "zip", lambda: unzip(path, folder / "out")
    packed = folder / "lzma.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.json", b"{}")
    content = bytearray(packed.read_bytes())
    at = content.index(b"a.json") + 6
    content[at + 5 : at + 9] = struct.pack("<I", 2**32 - 1)  # the size of LZMA's dictionary
    packed.write_bytes(content)
    yield "lzma in zip", lambda: unzip(packed, folder / "out")
    yield "lzma in a dataset's zip", lambda: archives.unpack(packed, folder / "into")


def tar_of(folder):
    for name, kind, size in (("long name", b"L", 50), ("pax", b"x", 50)):
        path = folder / f"{kind.decode()}.tar.gz"
        header = tarfile.TarInfo("x")
        header.size, header.type = size * 2**20, kind
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(header.tobuf(tarfile.GNU_FORMAT))
            for _ in range(size):
                file.write(b"a" * 2**20)
        yield name, lambda path=path: archives.unpack(path, folder / "into")
    path = folder / "many.tar.gz"
    entry = tarfile.TarInfo("y").tobuf(tarfile.GNU_FORMAT) * 2048
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(40):
            file.write(entry)
    archives.MAX_FILES = 10_000
    yield "many members", lambda: archives.unpack(path, folder / "into", keep="none")
    plain = folder / "zeros.tar.gz"
    with gzip.open(plain, "wb", compresslevel=9) as file:
        file.write(tarfile.TarInfo("y").tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        for _ in range(60):
            file.write(bytes(2**20))
    yield "what follows the end", lambda: archives.unpack(plain, folder / "into")


def pth_of(folder):
    def text(word):
        raw = word.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw

    def file(name, pickle):
        path = folder / f"{name}.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02" + pickle + b".")
        return lambda: pth.read(path)

    keys = b"".join(text(f"{chr(0x100 + i)}a") + b"N" for i in range(50_000))
    yield "pairs of a dict", file("dict", b"}q\0(" + keys + b"uccollections\nOrderedDict\nq\1" + b"h\1h\0\x85R" * 2000)
    pairs = b"".join(text(f"{i}") + b"N\x86" for i in range(50_000))
    yield "pairs of a list", file("list", b"](" + pairs + b"eq\0ccollections\nOrderedDict\nq\1" + b"h\1h\0\x85R" * 2000)
    path = folder / "members.pth"
    with open(path, "wb") as out:
        directory = b"".join(
            struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
            for _ in range(400_000)
        )
        out.write(directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), 0, 0))
    yield "members of an archive", lambda: pth.read(path)


def pickle_of(folder):
    blob = b"\x01" * 2**20
    start = b"\x80\x02(B" + struct.pack("<I", len(blob)) + blob + b"q\0"
    dtype = b"cnumpy\ndtype\nX\x02\0\0\0u1K\0K\x01\x87Rq\x02"
    names = b"cnumpy.core.numeric\n_frombuffer\nq\x01" + dtype + b"J" + struct.pack("<i", len(blob)) + b"\x85q\x03"
    made = b"](" + b"h\x01(h\0h\x02h\x03X\x01\0\0\0CtR" * 1000 + b"e"
    yield "arrays of the same bytes", lambda: plain_pickle.decode(start + names + made + b"t.")
    text = b"X" + struct.pack("<I", len(blob)) + blob + b"q\0c_codecs\nencode\nq\x01X\x06\0\0\0latin1q\x02"
    again = b"](" + b"h\x01h\0h\x02\x86R" * 1000 + b"e"
    yield "one text as bytes", lambda: plain_pickle.decode(b"\x80\x02(" + text + again + b"t.")
    yield "containers of a pickle", lambda: plain_pickle.decode(b"\x80\x02(" + b"}" * 1_000_000 + b"l.")


def mat_of(folder):
    packed = zlib.compress(bytes(60 * 2**20))
    element = struct.pack("<II", 15, len(packed)) + packed
    path = folder / "a.mat"
    path.write_bytes(b"MATLAB".ljust(124) + struct.pack("<H", 0x100) + b"IM" + element * 20)
    yield "mat", lambda: mat.read_field(path, "a", "b")


def rle_of(folder):
    yield "rle text", lambda: rle.runs_of_text(b"1" * (200 * 2**20))
    yield "rle runs", lambda: rle.mask_of([10**15], (4, 5))


def outcome(read):
    """What a process with the limit says of a reading, and how long it took."""
    ours, theirs = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            told = f"read {str(read())[:50]}"
        except (FewClicksError, ValueError, plain_pickle.PickleError) as error:
            told = f"refused: {error}"
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(theirs, told[:2000].encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as said:
        told = said.read().decode()
    os.waitpid(child, 0)
    return told, time.monotonic() - began


def main(folder):
    found = {}
    for make in (json_of, session_of, zip_of, tar_of, pth_of, pickle_of, mat_of, rle_of):
        place = Path(folder) / make.__name__
        place.mkdir()
        found |= {name: outcome(read) for name, read in make(place)}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
