"""Content-addressed files over an object store: a directory, a bucket, or memory."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from shared.artifacts.disk import refused
from shared.contracts.executor import Artifact
from shared.errors import BadInput, LimitExceeded, NotFound, TaskgroveError
from shared.programs import is_program

if TYPE_CHECKING:
    from obstore import BytesStream  # exists for types only

CHUNK = 2**20
PART = 5 * 2**20
PARTS_AT_ONCE = 4
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class ArtifactStore:
    """Files under `sha256/ab/abcdef…`: the same content is kept once, and what is read is checked against its name."""

    def __init__(self, objects: ObjectStore, where: str) -> None:
        self._objects = objects
        self._where = where

    @classmethod
    def open(cls, url: str) -> Self:
        """`file:///directory` (made when missing), `s3://bucket/prefix` (or gs, az; credentials as their clients find them), `memory://`."""
        scheme = urlsplit(url).scheme
        if scheme == "memory":
            return cls(_in_memory(url), url)
        if scheme == "file":
            path = unquote(urlsplit(url).path)
            return cls(LocalStore(path, mkdir=True), path)
        if scheme not in ("s3", "gs", "az"):
            raise BadInput(f"artifacts cannot be kept at {url!r}; give file:///directory, s3://bucket/prefix, gs://, az:// or memory://")
        return cls(from_url(url), url)

    async def put_file(self, path: Path, *, name: str) -> Artifact:
        """Keep a file under its hash; a file of any size passes through in parts. Raises BadInput when it changed meanwhile."""
        try:
            before, sha256 = await asyncio.to_thread(_look_at, path)
            new = await self._put(sha256, path, size=before.st_size)
            after = await asyncio.to_thread(os.lstat, path)
        except OSError as error:
            raise BadInput(f"{name} cannot be kept: {error.strerror}") from error
        if (before.st_ino, before.st_size, before.st_ctime_ns) != (after.st_ino, after.st_size, after.st_ctime_ns):
            if new:
                await self._objects.delete_async(_key(sha256))
            raise BadInput(f"{name} changed while it was being kept: something that the task started still writes to it")
        return _artifact(name, sha256, size=after.st_size)

    async def put_bytes(self, data: bytes, *, name: str) -> Artifact:
        """Keep these bytes as a file."""
        sha256 = hashlib.sha256(data).hexdigest()
        await self._put(sha256, data, size=len(data))
        return _artifact(name, sha256, size=len(data))

    async def get(self, sha256: str) -> AsyncIterator[bytes]:
        """The content, in chunks. Raises NotFound at once; at the end, TaskgroveError when the content is not what was kept."""
        if not SHA256.match(sha256):
            raise NotFound(f"{sha256!r} is not the id of an artifact; one is 64 hexadecimal digits")
        with self._failures(sha256):
            found = await self._objects.get_async(_key(sha256))
        return self._checked(sha256, found.stream(min_chunk_size=CHUNK))

    async def read(self, artifact: Artifact, *, most: int) -> bytes:
        """The whole content. Raises LimitExceeded when that is more than `most` bytes."""
        parts = bytearray()
        async for chunk in await self.get(artifact.sha256):
            parts += chunk
            if len(parts) > most:
                raise LimitExceeded(f"{artifact.name} is larger than the {most} bytes that are read here; download it instead")
        return bytes(parts)

    async def lay_out(self, artifacts: Iterable[Artifact], directory: Path) -> None:
        """Write the files under their names. Raises BadInput, before anything is written, for a name that leads out of `directory`."""
        names = [(artifact, _inside(artifact.name)) for artifact in artifacts]
        for artifact, name in names:
            await asyncio.to_thread(self._lay_one, artifact, directory, name)

    def _lay_one(self, artifact: Artifact, directory: Path, name: PurePosixPath) -> None:
        digest = hashlib.sha256()
        with self._failures(artifact.sha256):
            chunks = self._objects.get(_key(artifact.sha256)).stream(min_chunk_size=CHUNK)
            _write(directory, name, _hashed(chunks, digest.update))
        if digest.hexdigest() != artifact.sha256:
            (directory / name).unlink()
            raise self._damaged(artifact.sha256)

    async def _checked(self, sha256: str, chunks: "BytesStream") -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        with self._failures(sha256):
            async for chunk in chunks:
                data = bytes(chunk)
                digest.update(data)
                yield data
        if digest.hexdigest() != sha256:
            raise self._damaged(sha256)

    async def _put(self, sha256: str, content: Path | bytes, *, size: int) -> bool:
        """Whether it was new. Two who put the same content at once write the same bytes; what a crash cut short is written again."""
        key = _key(sha256)
        with self._failures(sha256):
            if await self._size(key) == size:
                return False
            await self._objects.put_async(key, content, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
            if isinstance(self._objects, LocalStore):
                await asyncio.to_thread(_to_disk, Path(self._where) / key)
        return True

    async def _size(self, key: str) -> int | None:
        try:
            return (await self._objects.head_async(key))["size"]
        except FileNotFoundError:
            return None

    def _damaged(self, sha256: str) -> TaskgroveError:
        what = f"artifact {sha256} in {self._where} is damaged: its content has another hash"
        return TaskgroveError(f"{what}. Delete it there and run the task that made it again")

    @contextmanager
    def _failures(self, sha256: str) -> Iterator[None]:
        """What goes wrong in the store or on the disk, as an error that says which and what to do."""
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"artifact {sha256} is not in {self._where}; run the task that made it again") from error
        except (BaseError, OSError) as error:
            raise refused(error, getattr(error, "filename", None) or self._where) from error


@cache
def _in_memory(_url: str) -> MemoryStore:
    """One store a URL: services that run in one process without a disk must find each other's files."""
    return MemoryStore()


def _artifact(name: str, sha256: str, *, size: int) -> Artifact:
    return Artifact(name=name, uri=f"/artifacts/{sha256}", sha256=sha256, bytes=size)


def _key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256}"


def _look_at(path: Path) -> tuple[os.stat_result, str]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return os.fstat(file.fileno()), hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """A result that names this file may be journaled a moment later, so the file must survive a power cut as well."""
    for what in (path, path.parent):
        descriptor = os.open(what, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadInput(f"{name!r} is not a name for an artifact: it leads out of the directory")
    return path


def _hashed(chunks: "BytesStream", update: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in chunks:
        data = bytes(chunk)
        update(data)
        yield data


def _write(directory: Path, name: PurePosixPath, chunks: Iterator[bytes]) -> None:
    """A new file; nothing that is there is followed or written over."""
    path = directory / name
    if not path.parent.resolve().is_relative_to(directory.resolve()):
        raise BadInput(f"{name} leads out of {directory} by a symbolic link")
    first = next(chunks, b"")
    mode = 0o755 if is_program(first) else 0o644
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"two artifacts cannot both be laid out at {name}; give their tasks different names for them") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(first)
        file.writelines(chunks)
