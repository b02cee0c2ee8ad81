"""The reader of .pth files: every tensor as torch saved it, and nothing from the file ever runs."""

import io
import os
import pickle
import struct
import sys
import time
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from fewclicks.checkpoints import pth
from fewclicks.checkpoints.pth import container, opcodes
from fewclicks.errors import CheckpointError

DTYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.uint16, torch.uint32, torch.uint64,
]  # fmt: skip
FORMS = [pytest.param(True, id="zip"), pytest.param(False, id="legacy")]


def save(value, path, form=True, protocol=2):
    torch.save(value, path, _use_new_zipfile_serialization=form, pickle_protocol=protocol)
    return path


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def archive(path, pickled, storages=(b"\0" * 64,), compression=zipfile.ZIP_STORED):
    """A file of torch's zip form around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as out:
        out.writestr("net/data.pkl", pickled)
        for i, storage in enumerate(storages):
            out.writestr(f"net/data/{i}", storage)
    return path


def tensor_pickle(shape, stride, offset=0, length=16, key="0", kind="torch\nFloatStorage"):
    """The pickle of {"w": tensor} with numbers that torch would not write."""

    def number(value):
        return b"\x8b" + struct.pack("<i", 16) + value.to_bytes(16, "little", signed=True)

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    text = b"X" + struct.pack("<I", len(key)) + key.encode()
    storage = b"(X\7\0\0\0storagec" + kind.encode() + b"\n" + text + b"X\3\0\0\0cpu" + number(length) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + numbers(shape) + numbers(stride)
    return b"\x80\2}X\1\0\0\0w" + tensor + b"\x89}tRs."


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_tensor_comes_back_bit_for_bit(tmp_path, form, protocol):
    generator = torch.Generator().manual_seed(protocol)
    state = OrderedDict()
    for dtype in DTYPES:
        noise = torch.randint(0, 2 if dtype == torch.bool else 256, (7, 3, 8), generator=generator, dtype=torch.uint8)
        state[f"w.{dtype}"] = noise.view(dtype)
    state["scalar"] = torch.tensor(3.25)
    state["empty"] = torch.empty(0, 5)
    state["transposed"] = state["w.torch.float32"].transpose(0, 2)
    state["slice"] = state["w.torch.float32"][2:5, 1]
    state["expanded"] = torch.arange(4.0).expand(1, 4)
    state["parameter"] = torch.nn.Parameter(torch.ones(3))
    read = pth.read(save({"state_dict": state, "epoch": 3}, tmp_path / "net.pth", form, protocol))
    assert list(read.tensors) == list(state)
    assert all(same(read.tensors[key], state[key].detach()) for key in state)
    assert read.root["epoch"] == 3
    assert read.config is None


@pytest.mark.parametrize("form", FORMS)
def test_tensors_that_share_a_storage_still_do(tmp_path, form):
    whole = torch.arange(6.0)
    read = pth.read(save({"a": whole, "b": whole[2:], "c": torch.arange(6.0)}, tmp_path / "net.pth", form))
    places = [tensor.untyped_storage().data_ptr() for tensor in read.tensors.values()]
    assert places[0] == places[1] != places[2]


def test_writing_to_a_tensor_leaves_the_file_as_it_was(tmp_path):
    path = save({"w": torch.zeros(100)}, tmp_path / "net.pth")
    before = path.read_bytes()
    pth.read(path).tensors["w"].fill_(1)
    assert path.read_bytes() == before
    assert not pth.read(path).tensors["w"].any()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("form", FORMS)
def test_a_live_module_in_the_config_stays_a_name(tmp_path, monkeypatch, form):
    """Published SimpleClick files pickle a loss module of a package that nobody here has (PEERS.md, fact 8)."""
    name = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
    module = types.ModuleType(name)

    class CrossEntropyLoss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("weight", torch.ones(2))

    CrossEntropyLoss.__module__, CrossEntropyLoss.__qualname__ = name, "CrossEntropyLoss"
    module.CrossEntropyLoss = CrossEntropyLoss
    with monkeypatch.context() as patched:
        for i, part in enumerate(name.split("."), 1):
            package = ".".join(name.split(".")[:i])
            patched.setitem(sys.modules, package, module if package == name else types.ModuleType(part))
        config = {"class": "isegm.model.X", "params": {"head": {"value": {"loss": CrossEntropyLoss(), "n": 1}}}}
        path = save({"state_dict": {"w": torch.ones(2)}, "config": config}, tmp_path / "net.pth", form)
    read = pth.read(path)
    value = read.config["params"]["head"]["value"]
    assert value["n"] == 1
    assert repr(value["loss"]) == f"<{name}.CrossEntropyLoss>"
    assert "isegm" not in sys.modules


class Evil:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def crimes(marker):
    """Calls that would create a file."""
    line = f"open({str(marker)!r}, 'w').write('x')"
    yield Evil(os.system, f"touch {marker}")
    yield Evil(eval, line)
    yield Evil(exec, line)
    yield Evil(open, str(marker), "w")
    yield Evil(getattr(os, "mkdir"), str(marker))  # noqa: B009 - the function that posix names
    yield Evil(map, eval, [line])
    yield Evil(torch.load, str(marker))
    yield Evil(np.save, str(marker), 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("crime", range(8))
def test_nothing_of_the_file_runs(tmp_path, form, protocol, crime):
    marker = tmp_path / "executed"
    evil = list(crimes(marker))[crime]
    weights = {"w": torch.ones(2)}
    read = pth.read(save({"state_dict": weights, "config": {"x": [evil]}}, tmp_path / "a.pth", form, protocol))
    assert isinstance(read.config["x"][0], pth.Stub)
    for i, value in enumerate((evil, [evil], {"state_dict": evil}, {"state_dict": {"w": evil}})):
        with pytest.raises(CheckpointError, match=r"state.dict"):
            pth.read(save(value, tmp_path / f"{i}.pth", form, protocol))
    assert not marker.exists()


PUSH = b"X\4\0\0\0text"
POISONS = {
    "calls by every opcode": (
        b"\x80\2(cos\nsystem\nX\2\0\0\0lso(ios\nsystem\ncbuiltins\neval\n)\x81cbuiltins\neval\n)}\x92}b0000}.",
        "no tensors",
    ),
    "a call of what a call made": (b"\x80\2cos\nsystem\n)R)R.", "damaged"),
    "an object by extension number": (b"\x80\2\x82\1.", "EXT1, which torch.save never writes"),
    "a buffer out of the file": (b"\x80\5\x97.", "NEXT_BUFFER"),
    "a persistent name": (b"Pname\n.", "PERSID"),
    "a persistent module": (b"\x80\2(" + PUSH + b"cos\nsystem\n" + PUSH + PUSH + b"K\1tQ.", "only torch itself"),
    "tuples whose hash takes for ever": (b"\x80\2}" + b")" + b"2\x86" * 64 + b"Ns.", "key of type tuple"),
    "a set of them": (b"\x80\4\x8f()" + b"2\x86" * 64 + b"\x90.", "key of type tuple"),
    "a million opcodes": (b"\x80\2" + b"N0" * 600_000 + b"}.", "more than 1,000,000 steps"),
    "one list for many dicts": (
        b"\x80\2ccollections\nOrderedDict\nq\0]q\1(" + b"NN\x86" * 100_000 + b"e0" + b"h\0h\1\x85R0" * 50_000 + b"}.",
        "more than 1,000,000 steps",
    ),
    "a name that doubles": (b"\x80\4X\xff\xff\0\0" + b"a" * 65535 + b"q\0" + b"h\0h\0\x930" * 9 + b"}.", "damaged"),
    "bytes that are not there": (b"\x80\4\x8e" + struct.pack("<Q", 2**62) + b"x.", "damaged"),
    "a negative length": (b"\x80\2\x8b" + struct.pack("<i", -5) + b".", "damaged"),
    "an endless number": (b"I" + b"9" * 100_000 + b"\n.", "damaged"),
    "a list within itself": (b"\x80\2]q\0h\0a.", "no state dict but a list"),
    "a dict within itself": (b"\x80\2}q\0X\n\0\0\0state_dicth\0s.", "state_dict' is a dict"),
    "ten thousand lists deep": (b"\x80\2" + b"]" * 10_000 + b"a" * 9_999 + b".", "no state dict but a list"),
    "no STOP": (b"\x80\2}", "damaged"),
    "nothing on the stack": (b"\x80\2.", "damaged"),
    "a mark as a value": (b"\x80\2(.", "damaged"),
    "a memo that is not there": (b"\x80\2h\7.", "damaged"),
    "items of a number": (b"\x80\2K\1Na.", "damaged"),
    "a key without value": (b"\x80\2}(Nu.", "damaged"),
}


@pytest.mark.parametrize("poison", POISONS)
def test_hostile_pickles_are_refused_in_bounded_time(tmp_path, poison):
    pickled, message = POISONS[poison]
    began = time.process_time()
    with pytest.raises(CheckpointError, match=message):
        pth.read(archive(tmp_path / "net.pth", pickled))
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"shape": (17,), "stride": (1,)}, "beyond its storage"),
        ({"shape": (4, 4), "stride": (4, 2)}, "beyond its storage"),
        ({"shape": (4,), "stride": (1,), "offset": 13}, "beyond its storage"),
        ({"shape": (2**40, 2**40), "stride": (0, 0)}, "absurd"),
        ({"shape": (10**6,), "stride": (0,)}, "beyond its storage"),
        ({"shape": (2**30, 2**30, 0), "stride": (1, 1, 1)}, "beyond its storage"),
        ({"shape": (4,), "stride": (-1,), "offset": 8}, "absurd"),
        ({"shape": (-4,), "stride": (1,)}, "absurd"),
        ({"shape": (4,), "stride": (1,), "offset": -1}, "absurd"),
        ({"shape": (4, 4), "stride": (1,)}, "absurd"),
        ({"shape": (1,) * 17, "stride": (1,) * 17}, "absurd"),
        ({"shape": (17,), "stride": (1,), "length": 17}, "more bytes than its storage"),
        ({"shape": (4,), "stride": (1,), "length": 2**70}, "damaged"),
        ({"shape": (4,), "stride": (1,), "key": "../../etc/passwd"}, "not in it"),
        ({"shape": (4,), "stride": (1,), "kind": "os\nsystem"}, "a tensor of os.system"),
        ({"shape": (4,), "stride": (1,), "kind": "torch\nComplexFloatStorage"}, "a tensor of torch.ComplexFloat"),
    ],
)
def test_tensors_stay_within_their_storage(tmp_path, numbers, message):
    good = archive(tmp_path / "good.pth", tensor_pickle((4, 4), (1, 4)))
    assert pth.read(good).tensors["w"].shape == (4, 4)
    with pytest.raises(CheckpointError, match=message):
        pth.read(archive(tmp_path / "net.pth", tensor_pickle(**numbers)))


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = archive(tmp_path / "net.pth", tensor_pickle((4,), (1,)), [b"\0" * 2**24], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    with pytest.raises(CheckpointError, match="compressed"):
        pth.read(path)


def test_tensors_may_not_repeat_the_file_many_times(tmp_path):
    path = save({str(i): torch.zeros(4000).view(40, 100) for i in range(2)}, tmp_path / "fine.pth")
    assert len(pth.read(path).tensors) == 2
    whole = torch.zeros(4000)
    with pytest.raises(CheckpointError, match="claims 320,000 bytes of tensors in a file of"):
        pth.read(save({str(i): whole for i in range(20)}, tmp_path / "net.pth"))


def test_pickles_and_directories_are_limited(tmp_path, monkeypatch):
    path = save({"state_dict": {"w": torch.ones(2)}, "note": "x" * 5000}, tmp_path / "net.pth")
    legacy = save({"state_dict": {"w": torch.ones(2)}, "note": "x" * 5000}, tmp_path / "old.pth", form=False)
    assert pth.read(path).root["note"] == pth.read(legacy).root["note"]
    monkeypatch.setattr(container, "MAX_PICKLE_BYTES", 4000)
    for file in (path, legacy):
        with pytest.raises(CheckpointError, match="more than 4000 bytes"):
            pth.read(file)


def checkpoint(form):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    file = io.BytesIO()
    config = {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": {"width": {"type": "builtin", "value": 18}}}
    save({"state_dict": net.state_dict(), "config": config}, file, form)
    return file.getvalue()


def try_reading(path):
    """A valid result or CheckpointError; anything else fails the test."""
    try:
        return [tensor.clone() for tensor in pth.read(path).tensors.values()]
    except CheckpointError:
        return None


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_short_is_refused(tmp_path, form):
    whole = checkpoint(form)
    path = tmp_path / "net.pth"
    for share in range(20):
        path.write_bytes(whole[: len(whole) * share // 20])
        assert try_reading(path) is None
    path.write_bytes(whole[:-1])
    assert try_reading(path) is None


@pytest.mark.parametrize("form", FORMS)
def test_a_file_with_a_wrong_byte_is_refused_or_read(tmp_path, form):
    whole = checkpoint(form)
    rng = np.random.default_rng(7)
    path = tmp_path / "net.pth"
    refused = 0
    for at in rng.integers(0, len(whole), 200):
        changed = bytearray(whole)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        refused += try_reading(path) is None
    assert refused > 20


def test_a_wrong_byte_in_a_weight_does_not_go_unnoticed(tmp_path):
    path = save({"w": torch.full((1000,), 1.5)}, tmp_path / "net.pth")
    data = bytearray(path.read_bytes())
    at = data.find(struct.pack("<f", 1.5) * 10) + 20
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"net.pth is damaged: a checksum differs"):
        pth.read(path).tensors["w"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z archive; unpack it"),
        (b"\n<!DOCTYPE html><html>sign in</html>", "web page"),
        (b'{"error": "quota"}', "text, not weights"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (struct.pack("<Q", 40) + b'{"w":{"dtype":"F32"}}', "safetensors"),
        (b"\x89PNG\r\n", "no PyTorch checkpoint"),
        (pickle.dumps({"a": 1}, 2), "none that torch.save wrote"),
        (b"PK\x05\x06" + b"\0" * 18, "no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, message):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        pth.read(path)


def test_parts_of_archives_folders_and_missing_files_are_named(tmp_path):
    part = tmp_path / "huge.7z.002"
    part.write_bytes(b"\x93\x12 anything")
    with pytest.raises(CheckpointError, match="all its parts together"):
        pth.read(part)
    with pytest.raises(CheckpointError, match="cannot be read"):
        pth.read(tmp_path)
    with pytest.raises(CheckpointError, match="there is no file"):
        pth.read(tmp_path / "none.pth")


@pytest.mark.parametrize("form", FORMS)
def test_several_networks_whole_objects_and_plain_values_are_named(tmp_path, form):
    stages = [{"state_dict": {"w": torch.ones(1)}, "config": {}}] * 3
    with pytest.raises(CheckpointError, match="3 networks, one for each click"):
        pth.read(save(stages, tmp_path / "stages.pth", form))
    with pytest.raises(CheckpointError, match=r"a whole object, torch\.nn\.modules\.linear\.Linear"):
        pth.read(save(torch.nn.Linear(1, 1), tmp_path / "whole.pth", form))
    with pytest.raises(CheckpointError, match="no state dict but a int"):
        pth.read(save(3, tmp_path / "three.pth", form))
    with pytest.raises(CheckpointError, match="'lr' is a float, no tensor"):
        pth.read(save({"w": torch.ones(1), "lr": 0.1}, tmp_path / "mixed.pth", form))


def test_a_program_or_another_machine_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "program.pth", "w") as out:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            out.writestr(f"program/{name}", b"\x80\2}.")
    with pytest.raises(CheckpointError, match="TorchScript program"):
        pth.read(tmp_path / "program.pth")
    path = save({"w": torch.ones(1)}, tmp_path / "net.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "big.pth", "w") as out:
        for info in source.infolist():
            out.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else source.read(info))
    with pytest.raises(CheckpointError, match="big-endian"):
        pth.read(tmp_path / "big.pth")


def test_the_opcodes_are_those_of_pickle():
    """A typing error in the table would be an opcode that never comes."""
    import pickletools

    assert set(opcodes.OPCODES) < {opcode.name for opcode in pickletools.opcodes}
