"""Artifacts keep what they were given, once, and never lead out of a directory."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.artifacts import INLINE, ArtifactStore, collect, files_in, fit, matching, on_disk
from shared.contracts.executor import Artifact, Result
from shared.errors import BadInput, LimitExceeded, NotFound, StoreUnavailable, TaskgroveError
from shared.removal import remove_tree

MIB = 2**20


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(f"file://{tmp_path}/kept here" if request.param == "file" else f"memory://{tmp_path.name}")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def leave(directory: Path, *names: str) -> None:
    """Write files that hold their own names."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


async def names(directory: Path, store: ArtifactStore, *patterns: str) -> list[str]:
    return [artifact.name for artifact in await collect(directory, patterns=patterns, store=store)]


async def test_what_is_put_comes_back(store: ArtifactStore, work: Path) -> None:
    (work / "large").write_bytes(os.urandom(12 * MIB))
    (work / "run").write_text("#!/bin/sh\n")
    large = await store.put_file(work / "large", name="a/large")
    run = await store.put_file(work / "run", name="run")
    assert large.sha256 == hashlib.sha256((work / "large").read_bytes()).hexdigest()
    assert (large.bytes, large.uri) == (12 * MIB, f"/artifacts/{large.sha256}")
    await store.lay_out([large, run], work / "out")
    assert (work / "out/a/large").read_bytes() == (work / "large").read_bytes()
    assert [(work / "out" / name).stat().st_mode & 0o777 for name in ("a/large", "run")] == [0o644, 0o755]
    assert await store.read(run, most=100) == b"#!/bin/sh\n"
    assert sum([len(chunk) async for chunk in await store.get(large.sha256)]) == 12 * MIB


async def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/kept")
    first = await store.put_bytes(b"same", name="a")
    second = await store.put_bytes(b"same", name="b")
    assert first.sha256 == second.sha256
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [first.sha256]


async def test_stores_in_memory_are_one_by_url() -> None:
    artifact = await ArtifactStore.open("memory://one").put_bytes(b"x", name="x")
    assert await ArtifactStore.open("memory://one").read(artifact, most=1) == b"x"
    with pytest.raises(NotFound):
        await ArtifactStore.open("memory://other").read(artifact, most=1)


async def test_what_was_tampered_with_is_refused_everywhere(tmp_path: Path) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/kept")
    artifact = await store.put_bytes(b"honest", name="a")
    kept = tmp_path / "kept" / "sha256" / artifact.sha256[:2] / artifact.sha256
    kept.write_bytes(b"forged")
    with pytest.raises(TaskgroveError, match="damaged"):
        await store.lay_out([artifact], tmp_path / "out")
    assert not (tmp_path / "out/a").exists()
    with pytest.raises(TaskgroveError, match="damaged"):
        await store.read(artifact, most=100)


async def test_what_a_crash_cut_short_is_written_again(tmp_path: Path) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/kept")
    artifact = await store.put_bytes(b"whole", name="a")
    (tmp_path / "kept" / "sha256" / artifact.sha256[:2] / artifact.sha256).write_bytes(b"")
    await store.put_bytes(b"whole", name="a")
    assert await store.read(artifact, most=100) == b"whole"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a\0b", ".."])
async def test_names_that_lead_out_are_refused_before_anything_is_written(store: ArtifactStore, work: Path, name: str) -> None:
    good = await store.put_bytes(b"x", name="good")
    with pytest.raises(BadInput, match="leads out"):
        await store.lay_out([good, good.model_copy(update={"name": name})], work)
    assert list(files_in(work)) == []


async def test_links_are_not_followed_when_laying_out(store: ArtifactStore, work: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (work / "link").symlink_to(tmp_path / "outside")
    (work / "file").symlink_to(tmp_path / "outside" / "file")
    artifact = await store.put_bytes(b"x", name="link/x")
    with pytest.raises(BadInput, match="symbolic link"):
        await store.lay_out([artifact], work)
    with pytest.raises(BadInput, match="different names"):
        await store.lay_out([artifact.model_copy(update={"name": "file"})], work)
    assert list((tmp_path / "outside").iterdir()) == []


async def test_two_files_under_one_name_are_refused(store: ArtifactStore, work: Path) -> None:
    one, two = await store.put_bytes(b"1", name="a"), await store.put_bytes(b"2", name="a/b")
    with pytest.raises(BadInput, match="different names"):
        await store.lay_out([one, two], work)


async def test_what_is_missing_or_too_large_is_said(store: ArtifactStore) -> None:
    artifact = await store.put_bytes(b"12345", name="five")
    with pytest.raises(LimitExceeded, match="five is larger"):
        await store.read(artifact, most=4)
    with pytest.raises(NotFound, match="run the task that made it again"):
        await store.get("0" * 64)
    for bad in ("../../etc/passwd", "0" * 63, "0" * 64 + "\n"):
        with pytest.raises(NotFound, match="64 hexadecimal"):
            await store.get(bad)
    with pytest.raises(BadInput, match="memory://"):
        ArtifactStore.open("http://example.org/")


async def test_a_file_that_changes_is_not_kept(tmp_path: Path, work: Path) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/kept")
    (work / "growing").write_bytes(b"x" * 30 * MIB)
    keeping = asyncio.create_task(store.put_file(work / "growing", name="growing"))
    while not keeping.done():
        with (work / "growing").open("ab") as file:
            file.write(b"y")
        await asyncio.sleep(0.001)
    with pytest.raises(BadInput, match="changed while"):
        await keeping


async def test_collects_what_the_task_left(store: ArtifactStore, work: Path, tmp_path: Path) -> None:
    leave(tmp_path, "outside")
    leave(work, "a.txt", "dist/b", "inputs/c", ".cache/d", ".env", "pkg/__pycache__/e", "dist/inputs/f")
    (work / "inside").symlink_to("a.txt")
    (work / "out").symlink_to(tmp_path / "outside")
    (work / "loop").symlink_to("loop")
    (work / "folder").symlink_to(tmp_path)
    os.mkfifo(work / "pipe")
    assert await names(work, store) == ["a.txt", "inside", "dist/b", "dist/inputs/f"]
    assert await names(work, store, "dist") == ["dist/b", "dist/inputs/f"]
    assert await names(work, store, "*.txt", ".env") == [".env", "a.txt"]


async def test_too_much_is_refused_with_the_way_out(store: ArtifactStore, work: Path) -> None:
    leave(work, "a", "bb", "ccc")
    with pytest.raises(LimitExceeded, match=r"3 files, more than the 2 .* `outputs:`"):
        await collect(work, patterns=(), store=store, most_files=2)
    with pytest.raises(LimitExceeded, match="6 bytes"):
        await collect(work, patterns=(), store=store, most_bytes=5)
    assert len(await collect(work, patterns=("a",), store=store, most_files=1)) == 1


async def test_names_must_be_utf8(store: ArtifactStore, work: Path) -> None:
    os.close(os.open(os.fsencode(work) + b"/\xff", os.O_CREAT))
    with pytest.raises(BadInput, match="UTF-8"):
        await collect(work, patterns=(), store=store)
    with pytest.raises(BadInput, match="UTF-8"):
        list(files_in(work))


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("*", ["a.txt", "d/b.txt", "d/e/c.txt"]),
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "d/b.txt", "d/e/c.txt"]),
        ("d", ["d/b.txt", "d/e/c.txt"]),
        ("d/*.txt", ["d/b.txt"]),
        ("d/**", ["d/b.txt", "d/e/c.txt"]),
        ("**/e/*", ["d/e/c.txt"]),
        ("[!a]/?.txt", ["d/b.txt"]),
        (".h/*", [".h/x"]),
    ],
)
def test_globs(glob: str, matches: list[str]) -> None:
    assert matching(["a.txt", "d/b.txt", "d/e/c.txt", ".h/x", "d/.y"], [glob]) == matches


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A directory with 1 100 levels of folders."""
    deep = tmp_path / "deep"
    deep.mkdir()
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 1100 ]; do mkdir d && cd d; i=$((i+1)); done"], cwd=deep, check=True)
    yield deep
    remove_tree(deep)


async def test_folders_in_too_many_levels_are_refused_in_words(deep: Path, store: ArtifactStore) -> None:
    with pytest.raises(LimitExceeded, match="more than 200 levels: d/d/d/…; pack or remove them"):
        await collect(deep, patterns=(), store=store)


@pytest.mark.parametrize("glob", ["../x", "/x", "", "a/../../b", "**/a/**/a/**/a/**/a"])
def test_globs_that_lead_out_or_take_forever_are_refused(glob: str) -> None:
    with pytest.raises(BadInput, match="not a pattern"):
        matching(["x"], [glob])


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("A FULL DISK IS NOT TESTED HERE: only root may mount a small one")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_is_said_and_may_be_tried_again(full: Path) -> None:
    store = ArtifactStore.open(f"file://{full}/kept")
    with pytest.raises(StoreUnavailable, match=f"no space left in {full}"):
        await store.put_bytes(b"x" * 2 * MIB, name="large")
    with pytest.raises(StoreUnavailable, match=f"no space left in {full}"), on_disk(full):
        (full / "large").write_bytes(b"x" * 2 * MIB)


async def test_laying_out_on_a_full_disk(full: Path) -> None:
    store = ArtifactStore.open("memory://full")
    artifact = await store.put_bytes(b"x" * 2 * MIB, name="large")
    with pytest.raises(StoreUnavailable, match="no space left"):
        await store.lay_out([artifact], full)


async def test_small_data_stays_inline(store: ArtifactStore) -> None:
    result = Result(summary="s", data={"list": [1, 2.5, None, "x"], "deep": {"er": True}})
    assert await fit(result, store) == result
    assert await fit(Result(), store) == Result()


@pytest.mark.parametrize(
    "data",
    [
        {"x": "y" * INLINE},
        {"n": 2**63},
        {"a\0b": 1},
        {"schema": {"$ref": "#/a", "$id": "b"}},
        {"deep": eval("[" * 90 + "]" * 90)},  # noqa: S307 (our own text)
    ],
)
async def test_data_that_no_document_can_hold_becomes_an_artifact(store: ArtifactStore, data: dict[str, object]) -> None:
    others = (Artifact(name="kept", uri="", sha256="", bytes=0),)
    fitted = await fit(Result(summary="s", data=data, artifacts=others), store)
    assert fitted.data == {"artifact": "data.json"}
    assert [artifact.name for artifact in fitted.artifacts] == ["kept", "data.json"]
    assert len(await store.read(fitted.artifacts[1], most=MIB)) == fitted.artifacts[1].bytes > 0


@pytest.mark.parametrize(
    ("left", "name"),
    [((), "data.json"), (("data.json",), "data-2.json"), (("data.json/rows", "data-2.json"), "data-3.json")],
)
async def test_files_that_the_task_left_are_not_replaced_by_its_data(store: ArtifactStore, left: tuple[str, ...], name: str) -> None:
    others = tuple(Artifact(name=one, uri="", sha256="its own", bytes=0) for one in left)
    fitted = await fit(Result(data={"x": "y" * INLINE}, artifacts=others), store)
    assert fitted.data == {"artifact": name}
    assert fitted.artifacts[:-1] == others
    assert fitted.artifacts[-1].name == name


async def test_data_that_is_not_json_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(BadInput, match="not JSON"):
        await fit(Result(data={"x": object()}), store)
