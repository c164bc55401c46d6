"""Style, scripts and pictures: read once, known by their hash, so that a browser may keep them for ever and still gets new ones at once."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import NotFound

FOLDER = Path(__file__).parent / "static"
URL = "/static/"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `tag` is the start of its SHA-256."""

    content: bytes
    media_type: str
    tag: str


class Assets:
    """All files below `static/`, by their path in it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in (".css", ".js", ".svg", ".txt"))
        self._assets = {path.relative_to(folder).as_posix(): _read(path) for path in files}

    def url(self, name: str) -> str:
        """Where a file is, with its hash: another content has another address. Raises KeyError for a file that is not shipped."""
        return f"{URL}{name}?v={self._assets[name].tag}"

    def get(self, name: str) -> Asset:
        """A file. Raises NotFound."""
        if name not in self._assets:
            raise NotFound(f"nothing is served at {URL}{name}")
        return self._assets[name]


@router.get(URL + "{name:path}", response_class=Response)
async def serve(name: str, request: Request, *, v: str = "") -> Response:
    """One file; open to all, because the login page needs them."""
    assets: Assets = request.app.state.web.assets
    asset = assets.get(name)
    headers = {"ETag": f'"{asset.tag}"', "Cache-Control": FOR_EVER if v == asset.tag else ASK_AGAIN}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, media_type, hashlib.sha256(content).hexdigest()[:16])
