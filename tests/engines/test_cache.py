"""Engines that are kept: found again under the same key only, and never a part of one."""

import errno
import json
import os
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.engines.cache import EngineCache, EngineKey, cache_folder

KEY = EngineKey(
    graph="a" * 64,
    gpu="NVIDIA H200",
    capability=(9, 0),
    driver="580.95.05",
    builder="tensorrt 11.4.0",
    shapes=((1, 128, 256, 3), (1, 352, 640, 3), (1, 736, 1312, 3)),
)
ENGINE = bytes(range(256)) * 40
shapes = st.tuples(*[st.tuples(*[st.integers(1, 4096)] * 4)] * 3)
keys = st.builds(
    EngineKey,
    graph=st.text(),
    gpu=st.text(),
    capability=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    driver=st.text(),
    builder=st.text(),
    shapes=shapes,
)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EngineCache().folder == tmp_path / "perception/engines"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/perception")


@given(keys, keys)
def test_two_keys_have_one_digest_where_they_are_the_same(one: EngineKey, other: EngineKey) -> None:
    assert (one.digest == other.digest) == (one == other)
    assert replace(one).digest == one.digest


def test_whatever_differs_it_is_another_engine() -> None:
    others = [
        replace(KEY, graph="b" * 64),
        replace(KEY, gpu="NVIDIA H100"),
        replace(KEY, capability=(9, 1)),
        replace(KEY, driver="580.95.06"),
        replace(KEY, builder="tensorrt 11.4.1"),
        replace(KEY, shapes=(*KEY.shapes[:2], (1, 736, 1344, 3))),
    ]
    assert len(others) == len(fields(EngineKey))
    assert len({KEY.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_an_engine_is_found_again_under_its_key_alone(cache: EngineCache) -> None:
    assert cache.read(KEY) == (None, ())
    assert cache.write(KEY, ENGINE) == ()
    assert cache.read(KEY) == (ENGINE, ())
    assert cache.read(replace(KEY, gpu="NVIDIA H100")) == (None, ())
    assert cache.read(replace(KEY, driver="590.10")) == (None, ())
    cache.write(KEY, b"newer")
    assert cache.read(KEY) == (b"newer", ())
    assert [path.name for path in cache.folder.iterdir()] == [KEY.digest]


def test_people_can_read_what_an_engine_is_for(cache: EngineCache) -> None:
    cache.write(KEY, ENGINE)
    read = json.loads((cache.path(KEY) / "key.json").read_text())
    assert read == json.loads(json.dumps(asdict(KEY)))


@pytest.mark.parametrize("harm", ["cut", "empty", "bit", "sum", "no sum", "no engine"])
def test_what_is_not_whole_is_discarded_with_a_word(cache: EngineCache, harm: str) -> None:
    cache.write(KEY, ENGINE)
    engine, digest = cache.path(KEY) / "engine", cache.path(KEY) / "engine.sha256"
    if harm == "cut":
        engine.write_bytes(ENGINE[:-1])
    elif harm == "empty":  # what a power cut may leave of a file
        engine.write_bytes(b"")
    elif harm == "bit":
        engine.write_bytes(ENGINE[:100] + bytes([ENGINE[100] ^ 1]) + ENGINE[101:])
    elif harm == "sum":
        digest.write_bytes(b"\xff" * 10)
    else:
        (digest if harm == "no sum" else engine).unlink()
    found, notes = cache.read(KEY)
    assert found is None
    assert len(notes) == 1
    assert str(cache.path(KEY)) in notes[0] and "discarded and built again" in notes[0]
    assert cache.read(KEY) == (None, ())  # said once
    assert cache.write(KEY, ENGINE) == ()
    assert cache.read(KEY) == (ENGINE, ())


@given(st.binary(max_size=200), st.data())
def test_any_part_of_an_engine_is_distinguished_from_the_whole(
    tmp_path_factory: pytest.TempPathFactory, engine: bytes, data: st.DataObject
) -> None:
    cache = EngineCache(tmp_path_factory.mktemp("cache"))
    cache.write(KEY, engine)
    left = data.draw(st.integers(0, len(engine)))
    (cache.path(KEY) / "engine").write_bytes(engine[:left])
    assert cache.read(KEY)[0] == (engine if left == len(engine) else None)


def test_what_a_power_cut_leaves_is_never_read(cache: EngineCache) -> None:
    draft = cache.folder / "draft-1"
    draft.mkdir(parents=True)
    (draft / "engine").write_bytes(ENGINE[:1000])
    assert cache.read(KEY) == (None, ())
    cache.write(KEY, ENGINE)
    assert cache.read(KEY) == (ENGINE, ())
    assert draft.exists()  # it may be of another build that is still running
    day_old = time.time() - 90_000
    os.utime(draft, (day_old, day_old))
    cache.write(KEY, ENGINE)
    assert not draft.exists()


def test_two_processes_may_keep_one_engine_at_a_time(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's is there when ours is renamed; and an old draft is swept by both."""
    rename, old = Path.rename, cache.folder / "draft-1"
    old.mkdir(parents=True)

    def late(draft: Path, path: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        assert cache.write(KEY, ENGINE) == ()
        return rename(draft, path)

    def gone(folder: Path, pattern: str) -> list[Path]:
        if old.exists():
            old.rmdir()
        return [old]

    monkeypatch.setattr(Path, "rename", late)
    monkeypatch.setattr(Path, "glob", gone)
    assert cache.write(KEY, ENGINE) == ()
    assert cache.read(KEY) == (ENGINE, ())
    assert [path.name for path in cache.folder.iterdir()] == [KEY.digest]


def test_an_engine_that_is_replaced_while_it_is_read_is_not_discarded(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(KEY, ENGINE)
    read = Path.read_bytes

    def replaced(path: Path) -> bytes:
        cache.path(KEY).rename(cache.folder / "aside")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", replaced)
    assert cache.read(KEY) == (None, ())


def test_a_full_disk_is_a_word_and_leaves_what_was_there(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache.write(KEY, b"older")
    monkeypatch.setattr(os, "fsync", full)
    (note,) = cache.write(KEY, ENGINE)
    assert "not kept for the next start" in note and "No space left" in note
    assert [path.name for path in cache.folder.iterdir()] == [KEY.digest]
    assert cache.read(KEY) == (b"older", ())


def test_a_cache_that_cannot_be_written_is_a_word_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EngineCache(tmp_path / "file" / "engines")
    assert cache.read(KEY) == (None, ())
    (note,) = cache.write(KEY, ENGINE)
    assert "not kept for the next start" in note and str(tmp_path / "file") in note
