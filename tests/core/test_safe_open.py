"""Nothing outside of a folder is opened, also not through links, nor when files are swapped for links meanwhile."""

import os
import threading
from contextlib import closing, suppress

import PIL.Image
import pytest

from annotating import Api, client_of, make_folder, png, truth
from commands import runner
from exported import LABELS, bare, folder_of_photos, photo
from fewclicks import formats
from fewclicks.annotator.services.decoder import Decoder
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import FewClicksError, InputError, StoreError
from fewclicks.files import safe_open
from fewclicks.files.safe_open import open_inside, open_real, resolve_inside, walk_real
from fewclicks.formats.reading import read_bytes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a right that Windows users seldom have")
SECRET = b"SECRET of another place"
WAYS = ["by descriptor", "by a second look"]


@pytest.fixture
def folder(tmp_path):
    """root/a.txt, root/sub/b.txt; secret/b.txt outside."""
    for place, name in (("root", "a.txt"), ("root/sub", "b.txt")):
        (tmp_path / place).mkdir()
        (tmp_path / place / name).write_bytes(name.encode())
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "b.txt").write_bytes(SECRET)
    return tmp_path / "root"


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Each of the two ways to open: that of POSIX, and that of systems without descriptors of folders."""
    if request.param == WAYS[1]:
        monkeypatch.setattr(safe_open, "_BY_DESCRIPTOR", False)


def read_inside(root, name):
    with open_inside(root, name) as file:
        return file.read()


def test_files_of_the_folder_are_read_also_by_links_that_stay_in_it(folder, way, tmp_path):
    (folder / "to_b").symlink_to("sub/b.txt")
    (folder / "sub" / "to_a").symlink_to(folder / "a.txt")
    (folder / "to_sub").symlink_to("sub", target_is_directory=True)
    (tmp_path / "named").symlink_to(folder, target_is_directory=True)
    for root in (folder, tmp_path / "named", os.path.relpath(folder)):
        assert read_inside(root, "a.txt") == b"a.txt"
        assert read_inside(root, "sub/../a.txt") == b"a.txt"
        for name in ("sub/b.txt", "to_b", "to_sub/b.txt"):
            assert read_inside(root, name) == b"b.txt"
        assert read_inside(root, "sub/to_a") == b"a.txt"


def test_what_leads_out_or_is_no_file_is_refused(folder, way, tmp_path):
    (folder / "link").symlink_to(tmp_path / "secret" / "b.txt")
    (folder / "up").symlink_to("../secret", target_is_directory=True)
    (folder / "twice").symlink_to("link")
    (folder / "ring").symlink_to("ring")
    (folder / "nowhere").symlink_to(tmp_path / "secret" / "none")
    os.mkfifo(folder / "pipe")
    outside = [
        "link",
        "up/b.txt",
        "twice",
        "../secret/b.txt",
        "sub/../../secret/b.txt",
        str(tmp_path / "secret" / "b.txt"),
    ]
    for name in outside:
        with pytest.raises(InputError, match="leads out of the folder"):
            open_inside(folder, name)
    for name in ("pipe", "sub", "."):
        with pytest.raises(InputError, match="no plain file"):
            open_inside(folder, name)
    for name in ("gone", "ring", "nowhere", "a.txt/b", "a\0", "x" * 5000):
        with pytest.raises(InputError, match="not there any more"):
            open_inside(folder, name)
    for path in (folder / "link", folder / "up" / "b.txt", folder / "twice"):
        with pytest.raises(InputError, match="links are not followed"):
            open_real(path)
        with pytest.raises(InputError, match="links are not followed"):
            read_bytes(path, 100)
    with pytest.raises(InputError, match="no plain file"):
        open_real(folder / "pipe")
    with pytest.raises(FileNotFoundError):
        open_real(folder / "gone")


def test_the_walk_stays_in_the_folder(folder, way, tmp_path):
    (folder / "up").symlink_to(tmp_path / "secret", target_is_directory=True)
    (folder / "link.txt").symlink_to(tmp_path / "secret" / "b.txt")
    found = {
        place.relative_to(folder).as_posix(): (folders, sorted(files)) for place, folders, files in walk_real(folder)
    }
    assert found == {".": (["sub"], ["a.txt", "link.txt"]), "sub": ([], ["b.txt"])}
    assert list(walk_real(folder / "up")) == []
    deep = folder / "d"
    for _ in range(300):  # deeper than a recursion would go on a small stack
        deep /= "d"
    deep.mkdir(parents=True)
    assert sum(1 for _ in walk_real(folder)) == 303


def swapping(path, target, stop):
    """Put a link to `target` in the place of `path` and back, until told to stop."""
    kept, link = path.with_name("kept"), path.with_name("link")
    while not stop.is_set():
        link.symlink_to(target, target_is_directory=target.is_dir())
        path.rename(kept)
        link.rename(path)
        os.unlink(path)
        kept.rename(path)


@pytest.mark.parametrize("swapped", ["sub/b.txt", "sub"])
def test_a_swap_between_check_and_use_is_no_way_round(folder, swapped, tmp_path):
    target = tmp_path / "secret" / "b.txt" if swapped.endswith("txt") else tmp_path / "secret"
    stop, read = threading.Event(), []
    thread = threading.Thread(target=swapping, args=(folder / swapped, target, stop))
    thread.start()
    try:
        for _ in range(2000):
            with suppress(InputError):
                read.append(read_inside(folder, "sub/b.txt"))
            for place, _, files in walk_real(folder):
                assert place.name != "secret"
                for name in files:
                    with suppress(OSError, InputError), open_real(place / name) as file:
                        read.append(file.read())
    finally:
        stop.set()
        thread.join()
    assert SECRET not in read
    assert b"b.txt" in read


def test_a_photo_that_is_swapped_after_it_was_found_is_not_decoded(tmp_path):
    root = make_folder(tmp_path / "photos", ("a.png", "sub.png"))
    (root / "sub").mkdir()
    (root / "sub.png").rename(root / "sub" / "b.png")
    (tmp_path / "other").mkdir()
    PIL.Image.new("RGB", (7, 7)).save(tmp_path / "other" / "b.png")
    photos = PhotoFolder(root)
    paths = [photos.locate(name).path for name in ("a.png", "sub/b.png")]
    with closing(Decoder()) as decoder:
        assert decoder.hw(paths[1]) == (80, 120)
        (root / "a.png").unlink()
        (root / "a.png").symlink_to(tmp_path / "other" / "b.png")
        (root / "sub").rename(root / ".sub")
        (root / "sub").symlink_to(tmp_path / "other", target_is_directory=True)
        for path in paths:
            for ask in (decoder.image, decoder.hw, lambda path: decoder.thumbnail(path, 5)):
                with pytest.raises(InputError, match="links are not followed"):
                    ask(path)


@pytest.mark.parametrize("what", ["files", "folders"])
@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "voc", "index_png", "binary_png"])
def test_annotations_that_links_lead_to_are_not_read(tmp_path, name, what):
    """Every file, and then every folder, of an export lies elsewhere, with a link in its place."""
    photos = folder_of_photos(tmp_path / "images", [photo("a.jpg"), photo("sub/b.png", hw=(60, 80))])
    done = formats.export(name, photos, LABELS, tmp_path / "images" / "masks")
    (tmp_path / "elsewhere").mkdir()
    top = sorted((tmp_path / "images" / "masks").iterdir())
    for number, path in enumerate(done.files if what == "files" else [item for item in top if item.is_dir()]):
        path.rename(tmp_path / "elsewhere" / str(number))
        path.symlink_to(tmp_path / "elsewhere" / str(number), target_is_directory=what == "folders")
    listed = [item.file for item in photos]
    for source in [
        tmp_path / "images" / "masks",
        *(found.source for found in formats.detect(tmp_path / "images", listed)),
    ]:
        found = []
        with suppress(InputError):
            imported = formats.read(name, source, bare(photos))
            for index in range(len(imported)):
                with suppress(InputError):
                    found += list(imported[index].objects)
        in_no_folder = what == "folders" and name in ("coco", "labelme")  # all of it, or what is on the first photo
        assert len(found) <= (4 if name == "labelme" else 8 if name == "coco" else 0) * in_no_folder


def test_a_source_that_detection_found_may_not_become_a_link(tmp_path):
    photos = folder_of_photos(tmp_path / "photos", [photo()])
    formats.export("index_png", photos, LABELS, tmp_path / "photos" / "masks")
    (found,) = formats.detect(tmp_path / "photos", ["a.jpg"])
    assert len(formats.read("index_png", found.source, bare(photos), linked=False)) == 1
    (tmp_path / "photos" / "masks").rename(tmp_path / "elsewhere")
    (tmp_path / "photos" / "masks").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(InputError, match="is a link"):
        formats.read("index_png", found.source, bare(photos), linked=False)
    assert len(formats.read("index_png", found.source, bare(photos))) == 1, "a user may name it"
    assert formats.detect(tmp_path / "photos", ["a.jpg"]) == ()


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "voc", "cutout"])
@pytest.mark.parametrize("linked", ["file", "folder"])
def test_no_export_follows_a_photo_out_of_the_folder(tmp_path, name, linked):
    """Neither by the library, nor by the command."""
    photos = folder_of_photos(tmp_path / "photos", [photo("sub/a.png")])
    path = tmp_path / "photos" / "sub" if linked == "folder" else photos[0].path
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere", target_is_directory=linked == "folder")
    with pytest.raises(InputError, match="leads out of the folder"):
        formats.export(name, photos, LABELS, tmp_path / "out", **({} if name == "cutout" else {"copy": True}))
    assert not (tmp_path / "out").exists()


def test_the_export_command_copies_nothing_from_elsewhere(tmp_path, capsys):
    root = make_folder(tmp_path / "photos", ("a.png",))
    with client_of(root) as client:
        api = Api(client)
        api.act(api.new()["id"], "mask", png=png(truth()))
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "secret.txt")
    run = runner(capsys)
    for arguments in (["--format", "coco", "--set", "copy=true"], ["--format", "cutout"]):
        for out in ("out", "out.zip"):
            code, _, err = run("export", root, *arguments, "-o", tmp_path / out)
            assert code == 2
            assert "leads out of the folder" in err
            assert not (tmp_path / out).exists()


def test_classes_beside_an_upload_are_not_read(tmp_path, monkeypatch):
    """classes.txt in the temporary folder is anybody's; that of a data set lies beside its labels/."""
    for place in (tmp_path, tmp_path / "images"):
        place.mkdir(exist_ok=True)
        (place / "classes.txt").write_text("stolen\n")
        (place / "data.yaml").write_text("names: [stolen]\n")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "images"))
    monkeypatch.setattr("tempfile.tempdir", None)
    line = "0 0.1 0.1 0.5 0.1 0.5 0.5\n"
    with client_of(make_folder(tmp_path / "photos", ("a.png",))) as client:
        answer = Api(client)("POST", "/import?name=a.txt", content=line.encode())
        assert answer["objects"] == 1
        assert "stolen" not in [item["name"] for item in Api(client)("GET", "/classes")]
    labels = tmp_path / "set" / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text(line)
    assert formats.read("yolo", labels, [photo("a.png", ())]).labels == ()
    (tmp_path / "set" / "classes.txt").write_text("own\n")
    assert [label.name for label in formats.read("yolo", labels, [photo("a.png", ())]).labels] == ["own"]


@pytest.mark.parametrize("name", [".fewclicks", ".fewclicks/annotations.sqlite", ".fewclicks/annotations.sqlite-wal"])
def test_the_database_of_a_folder_lies_in_it(tmp_path, name):
    root = make_folder(tmp_path / "photos", ("a.png",))
    (tmp_path / "elsewhere").mkdir()
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(tmp_path / "elsewhere" / ("" if name == ".fewclicks" else "file"))
    with pytest.raises(StoreError, match="is a link"):
        Store(root)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    path.unlink()
    Store(root).close()


def test_the_ignore_file_is_written_through_no_link(tmp_path):
    root = make_folder(tmp_path / "photos", ("a.png",))
    (root / ".fewclicks").mkdir()
    (root / ".fewclicks" / ".gitignore").symlink_to(tmp_path / "written")
    Store(root).close()
    assert not (tmp_path / "written").exists()


def test_resolved_paths_are_real(folder):
    (folder / "to_b").symlink_to("sub/b.txt")
    assert resolve_inside(folder, "to_b") == folder / "sub" / "b.txt"
    with pytest.raises(FewClicksError, match="the photo 'x'"):
        resolve_inside(folder, "x", "photo")
