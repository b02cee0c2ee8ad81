"""Fetching and unpacking, against a server of the test's own on 127.0.0.1; and hostile archives."""

import hashlib
import io
import json
import re
import stat
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest

from fewclicks.cli import main
from fewclicks.datasets.download import get
from fewclicks.datasets.sources import CATALOGUE, Source
from fewclicks.errors import DatasetError
from fewclicks.files import archives
from fewclicks.files.archives import unpack
from fewclicks.plugins import find, names

FILES = {"img/a.jpg": b"photo" * 999, "gt/a.png": b"mask" * 99, "gt/b.png": b""}
NOISE = np.random.default_rng(0).bytes(3_000_000)


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members.items():
            entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = 0 if isinstance(content, tarfile.TarInfo) else len(content)
            archive.addfile(entry, None if isinstance(content, tarfile.TarInfo) else io.BytesIO(content))
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """Serves `files`. `limits`: bytes after which an answer breaks off, one for each; then all of it is sent."""

    daemon_threads = True

    def __init__(self):
        self.files, self.limits, self.codes, self.log = {}, [], [], []
        self.ranges, self.etag = True, '"1"'
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, content = self.server, self.server.files.get(urlsplit(self.path).path[1:])
        code = server.codes.pop(0) if server.codes else (200 if content is not None else 404)
        if code != 200:
            self.send_error(code)
            return
        begin, asked = 0, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            begin = int(asked[1])
        if begin >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        body = content[begin:][: server.limits.pop(0) if server.limits else None]
        server.log.append((begin, len(body)))  # first: who has read the whole body may look at the log
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting between attempts; the waits are counted."""
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return waits


def fetch(source, root, **options):
    """Get one file; the ticks of the progress bar are returned."""
    ticks = []
    get((source,), root, lambda source, phase, done, total: ticks.append((phase, done, total)), **options)
    return ticks


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tgz"])
def test_a_dataset_is_fetched_checked_and_unpacked(server, tmp_path, name):
    members = {f"Top/{member}": content for member, content in FILES.items()} | {"Top/other/c.txt": b"not wanted"}
    content = zipped(members) if name.endswith("zip") else tarred(members, "w" if name.endswith("tar") else "w:gz")
    server.files[name] = content
    source = Source(server.url(name), "Set", "(?:[^/]+/)?(?=(?:img|gt)/)", sha256(content), len(content))
    ticks = fetch(source, tmp_path)
    assert tree(tmp_path / "Set") == FILES
    assert ("fetch", len(content), len(content)) in ticks
    assert list(dict.fromkeys(phase for phase, *_ in ticks)) == ["fetch", "check", "unpack"]
    assert [file.name for file in (tmp_path / "downloads").iterdir()] == [f"{name}.json"]
    note = json.loads((tmp_path / "downloads" / f"{name}.json").read_text())
    assert note["sha256"] == hashlib.sha256(content).hexdigest()
    assert note["checked_against"] == source.digest
    assert note["bytes"] == len(content)
    assert server.log == [(0, len(content))]
    fetch(source, tmp_path)
    assert len(server.log) == 1, "what is there is not fetched again"


def test_without_a_published_checksum_the_sha256_is_noted(server, tmp_path):
    server.files["table.csv"] = b"MaskPath,ImageID\n"
    fetch(Source(server.url("table.csv"), "Set"), tmp_path, keep_archives=True)
    assert tree(tmp_path / "Set") == {"table.csv": b"MaskPath,ImageID\n"}
    note = json.loads((tmp_path / "downloads" / "table.csv.json").read_text())
    assert note["checked_against"] is None
    assert note["sha256"] == hashlib.sha256(b"MaskPath,ImageID\n").hexdigest()
    assert (tmp_path / "downloads" / "table.csv").is_file()


def test_archives_in_an_archive_are_unpacked_too(server, tmp_path):
    content = zipped({"annotations/val.json": b"{}", "annotations/val.zip": zipped({"val/a.png": b"png"})})
    server.files["all.zip"] = content
    fetch(Source(server.url("all.zip"), "COCO", inner=("annotations/val.zip",)), tmp_path)
    assert tree(tmp_path / "COCO") == {"annotations/val.json": b"{}", "annotations/val/a.png": b"png"}


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path, quick):
    content = zipped({"a.bin": NOISE})
    server.files["set.zip"] = content
    server.limits = [1_000_000, 1_500_000]
    fetch(Source(server.url("set.zip"), "Set", digest=sha256(content)), tmp_path)
    assert tree(tmp_path / "Set") == {"a.bin": NOISE}
    assert [begin for begin, _ in server.log] == [0, 1_000_000, 2_500_000]
    assert sum(sent for _, sent in server.log) == len(content), "no byte is sent twice"
    assert len(quick) == 2


def test_a_later_run_goes_on_where_the_earlier_gave_up(server, tmp_path, monkeypatch):
    content = zipped({"a.bin": NOISE})
    server.files["set.zip"] = content
    server.limits = [1_000_000]
    server.codes = [200, 503, 503, 503, 503, 503]
    source = Source(server.url("set.zip"), "Set", digest=sha256(content))
    with pytest.raises(DatasetError, match=r"503.*goes on from here"):
        fetch(source, tmp_path)
    assert not (tmp_path / "Set").exists()
    assert not (tmp_path / "downloads" / "set.zip").exists()
    ticks = fetch(source, tmp_path)
    assert server.log == [(0, 1_000_000), (1_000_000, len(content) - 1_000_000)]
    assert ticks[0][1] > 1_000_000, "the bar goes on too"
    assert tree(tmp_path / "Set") == {"a.bin": NOISE}


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path):
    old, new = zipped({"a.bin": NOISE}), zipped({"a.bin": NOISE[::-1]})
    server.files["set.zip"], server.limits, server.codes = old, [1_000_000], [200] + [500] * 5
    source = Source(server.url("set.zip"), "Set")
    with pytest.raises(DatasetError):
        fetch(source, tmp_path)
    server.files["set.zip"], server.etag = new, '"2"'
    fetch(source, tmp_path)
    assert server.log[1:] == [(0, len(new))]
    assert tree(tmp_path / "Set") == {"a.bin": NOISE[::-1]}


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"1"'), (True, ""), (True, 'W/"weak"')])
def test_a_server_that_cannot_resume_sends_it_all_again(server, tmp_path, ranges, etag):
    content = zipped({"a.bin": NOISE})
    server.files["set.zip"], server.limits, server.ranges, server.etag = content, [1_000_000], ranges, etag
    fetch(Source(server.url("set.zip"), "Set", digest=sha256(content)), tmp_path)
    assert server.log == [(0, 1_000_000), (0, len(content))]
    assert tree(tmp_path / "Set") == {"a.bin": NOISE}


def test_a_server_that_cannot_resume_and_never_gets_through_is_given_up(server, tmp_path, quick):
    server.files["set.zip"], server.limits, server.ranges = NOISE, [500, 400, 300, 450, 200, 100], False
    with pytest.raises(DatasetError, match=r"connection ended after 200 of 3000000 bytes"):
        fetch(Source(server.url("set.zip"), "Set"), tmp_path)
    assert len(quick) == 4


def test_a_partial_file_that_is_too_long_is_thrown_away(server, tmp_path):
    content = zipped(FILES)
    server.files["set.zip"] = content
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "set.zip.partial").write_bytes(bytes(len(content) + 5))
    note = {"url": server.url("set.zip"), "validator": '"1"'}
    (tmp_path / "downloads" / "set.zip.partial.json").write_text(json.dumps(note))
    fetch(Source(server.url("set.zip"), "Set", digest=sha256(content)), tmp_path)
    assert tree(tmp_path / "Set") == FILES


def test_a_file_with_another_checksum_is_removed_and_not_unpacked(server, tmp_path):
    server.files["set.zip"] = zipped(FILES)
    source = Source(server.url("set.zip"), "Set", digest="md5:" + "0" * 32)
    with pytest.raises(DatasetError, match=r"checksum md5:[0-9a-f]{32}, published is md5:0{32}.*was removed"):
        fetch(source, tmp_path)
    assert tree(tmp_path) == {}
    assert not (tmp_path / "Set").exists()


def test_a_file_of_another_size_is_refused_before_it_is_fetched(server, tmp_path):
    server.files["set.zip"] = NOISE
    with pytest.raises(DatasetError, match=f"has {len(NOISE)} bytes, 12 are known"):
        fetch(Source(server.url("set.zip"), "Set", size=12), tmp_path)
    assert tree(tmp_path) == {}


def test_a_missing_file_is_not_asked_for_again(server, tmp_path, quick):
    with pytest.raises(DatasetError, match="answers 404 Not Found; see whether it has moved"):
        fetch(Source(server.url("none.zip"), "Set"), tmp_path)
    assert quick == []
    assert tree(tmp_path) == {}


def test_a_server_that_is_not_there_is_given_up(tmp_path, quick):
    with Server() as gone:
        url = gone.url("set.zip")
    with pytest.raises(DatasetError, match=r"cannot fetch http://127.*refused"):
        fetch(Source(url, "Set"), tmp_path)
    assert quick == [2, 4, 8, 16]


def test_a_full_disk_is_seen_before_it_is_full(server, tmp_path, monkeypatch):
    server.files["set.zip"] = zipped(FILES)
    monkeypatch.setattr(archives, "RESERVE_BYTES", 2**62)
    with pytest.raises(DatasetError, match=r"GB free, .* are needed"):
        fetch(Source(server.url("set.zip"), "Set"), tmp_path)
    assert tree(tmp_path) == {}


HOSTILE = ["../evil", "a/../../evil", "/evil", "C:\\evil", "a\\..\\..\\evil", "C:evil"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_member_gets_out_of_its_folder(tmp_path, name, kind):
    archive = tmp_path / f"in.{kind}"
    archive.write_bytes(zipped({name: b"x"}) if kind == "zip" else tarred({name: b"x"}, "w"))
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(DatasetError, match="leads out of its folder"):
        unpack(archive, tmp_path / "a" / "b" / "into")
    assert tree(tmp_path).keys() == {archive.name}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    entry = tarfile.TarInfo("link")
    entry.type, entry.linkname = kind, "../../secret"
    (tmp_path / "in.tar").write_bytes(tarred({"link": entry, "link/x": b"x"}, "w"))
    with pytest.raises(DatasetError, match="is a link or a device"):
        unpack(tmp_path / "in.tar", tmp_path / "into")
    assert tree(tmp_path).keys() == {"in.tar"}


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DatasetError, match="is a link or a device"):
        unpack(tmp_path / "in.zip", tmp_path / "into")


def test_a_bomb_is_refused(tmp_path):
    (tmp_path / "in.zip").write_bytes(zipped({f"{i}.bin": bytes(2**21) for i in range(3)}))
    with pytest.raises(DatasetError, match="more than 100 times its size"):
        unpack(tmp_path / "in.zip", tmp_path / "into")
    assert sum(len(content) for content in tree(tmp_path / "into").values()) <= 2**21


@pytest.mark.parametrize("name", ["in.zip", "in.tar", "in.tgz"])
def test_a_damaged_archive_is_refused(tmp_path, name):
    content = zipped({"a": NOISE}) if name == "in.zip" else tarred({"a": NOISE}, "w" if name == "in.tar" else "w:gz")
    for damaged in (content[: len(content) // 2], b"no archive"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DatasetError, match="is damaged"):
            unpack(tmp_path / name, tmp_path / "into")
        assert not list((tmp_path / "into").rglob("*")), "nothing half-written"
    if name != "in.tar":  # which has no checksum of its content
        (tmp_path / name).write_bytes(content[:1000] + bytes(1000) + content[2000:])
        with pytest.raises(DatasetError, match="is damaged"):
            unpack(tmp_path / name, tmp_path / "into")


def test_an_archive_of_something_else_is_said_to_be_so(tmp_path):
    (tmp_path / "in.zip").write_bytes(zipped({"readme.txt": b"moved"}))
    with pytest.raises(DatasetError, match="holds nothing of the dataset"):
        unpack(tmp_path / "in.zip", tmp_path / "into", "(?=img/)")


def test_an_unpacking_that_was_broken_off_is_done_again(server, tmp_path):
    server.files["set.zip"] = zipped(FILES)[:-30]
    source = Source(server.url("set.zip"), "Set")
    with pytest.raises(DatasetError, match="is damaged"):
        fetch(source, tmp_path)
    (tmp_path / "downloads" / "set.zip").unlink()
    server.files["set.zip"] = zipped(FILES)
    fetch(source, tmp_path)
    assert tree(tmp_path / "Set") == FILES


def test_the_catalogue_is_sound():
    """Every dataset can be fetched but folders of one's own, the validation split, which is of sets made for this
    project, and what lies on drives that ask; what is not https has a checksum; all goes where its reader looks."""
    own, ours, drives = {"folder", "image_pairs"}, {"validation", "validation_broad"}, {"davis585", "hqseg44k"}
    assert set(CATALOGUE) == set(names("datasets")) - own - ours - drives
    for name, sources in CATALOGUE.items():
        for source in sources:
            kind, _, digest = source.digest.partition(":")
            assert source.url.startswith("https://") or source.digest, source.url
            assert (kind, len(digest)) in {("", 0), ("md5", 32), ("sha256", 64)}, source.url
            assert re.fullmatch("[0-9a-f]*", digest)
            assert source.file.endswith((".zip", ".tar", ".tgz", ".tar.gz", ".csv", ".txt"))
            assert f"{source.into}/".startswith(find("datasets", name).FOLDER + "/")
            re.compile(source.keep)


@pytest.mark.parametrize(
    ("name", "member", "place"),
    [
        ("grabcut", "GrabCut/data_GT/a.jpg", "data_GT/a.jpg"),
        ("grabcut", "boundary_GT/a.bmp", "boundary_GT/a.bmp"),
        ("davis", "DAVIS345/img/1.jpg", "img/1.jpg"),
        ("sbd", "./benchmark_RELEASE/dataset/inst/a.mat", "inst/a.mat"),
        ("sbd", "benchmark_RELEASE/benchmark_code/a.m", None),
        ("pascal_voc", "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "ImageSets/Segmentation/val.txt"),
        ("pascal_voc", "VOCdevkit/VOC2012/Annotations/a.xml", None),
        ("coco_lvis", "train/masks/1.pickle", "train/masks/1.pickle"),
    ],
)
def test_members_go_where_the_readers_look(tmp_path, name, member, place):
    (tmp_path / "in.tar").write_bytes(tarred({member: b"x", "__MACOSX/img/._1.jpg": b"x"}, "w"))
    if place is None:
        with pytest.raises(DatasetError, match="holds nothing"):
            unpack(tmp_path / "in.tar", tmp_path / "into", CATALOGUE[name][0].keep)
    else:
        unpack(tmp_path / "in.tar", tmp_path / "into", CATALOGUE[name][0].keep)
        assert tree(tmp_path / "into") == {place: b"x"}


def command(*arguments):
    """Run `fewclicks datasets get` and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["datasets", "get", *map(str, arguments)])
    return caught.value.code


@pytest.fixture
def davis(server, monkeypatch):
    """A server of DAVIS."""
    server.files["DAVIS.zip"] = zipped({"DAVIS/img/a.jpg": b"a", "DAVIS/gt/a.png": b"b"})
    source = Source(server.url("DAVIS.zip"), "DAVIS", CATALOGUE["davis"][0].keep, sha256(server.files["DAVIS.zip"]))
    monkeypatch.setitem(CATALOGUE, "davis", (source,))
    return server


def test_the_command_shows_the_terms_and_fetches(davis, tmp_path, capsys):
    assert command("davis", "--to", tmp_path / "data", "--dry-run") == 0
    assert not (tmp_path / "data").exists()
    assert davis.log == []
    capsys.readouterr()
    assert command("davis", "--to", tmp_path / "data", "--keep") == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'data' / 'DAVIS'}\n"
    assert told.err.index(find("datasets", "davis").TERMS) < told.err.index("fetch DAVIS.zip")
    assert tree(tmp_path / "data" / "DAVIS") == {"img/a.jpg": b"a", "gt/a.png": b"b"}
    assert (tmp_path / "data" / "downloads" / "DAVIS.zip").is_file()


def test_the_command_goes_to_the_data_folder_or_asks(davis, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path))
    assert command("davis") == 0
    assert (tmp_path / "benchmarks" / "DAVIS" / "img" / "a.jpg").is_file()
    monkeypatch.delenv("FEWCLICKS_DATA")
    monkeypatch.setattr("fewclicks.datasets.benchmark_root", lambda: tmp_path / "none")
    assert command("davis") == 2
    assert "pass --to DIR" in capsys.readouterr().err


def test_the_command_fails_in_one_line(davis, tmp_path, capsys):
    davis.files.clear()
    assert command("davis", "--to", tmp_path) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("fewclicks: http://127.0.0.1")
    for name, hint in (("davs", "did you mean 'davis'"), ("folder", "no address of 'folder'")):
        assert command(name, "--to", tmp_path) == 2
        assert hint in capsys.readouterr().err
