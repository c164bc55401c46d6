"""The browser libraries are those that npm has under these versions, each with its licence, and they are part of what is installed."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from services.approvals.web.assets import FOLDER
from services.approvals.web.pages import TEMPLATES
from tests.house.sources import ROOT

VENDOR = FOLDER / "vendor"


def manifest() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_each_file_is_the_one_that_was_fetched() -> None:
    listed = {name: digest for files in manifest().values() for name, digest in files.items()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "manifest.json"}
    assert found == listed, "run scripts/vendor, and commit what it writes"


def test_each_package_has_an_exact_version_and_its_licence() -> None:
    for package, files in manifest().items():
        assert package.rpartition("@")[2].replace(".", "").isdigit(), package
        assert [name for name in files if name.endswith(".LICENSE.txt")], package


def test_pages_load_nothing_from_elsewhere() -> None:
    ours = [path for folder in (TEMPLATES, FOLDER) for path in folder.rglob("*") if path.is_file() and VENDOR not in path.parents]
    allowed = ("http://www.w3.org/2000/svg",)
    found = []
    for path in ours:
        text = path.read_text(encoding="utf-8")
        for known in allowed:
            text = text.replace(known, "")
        if "http://" in text or "https://" in text or 'src="//' in text:
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_the_wheel_has_templates_and_assets(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for folder in (TEMPLATES, FOLDER) for path in folder.rglob("*") if path.is_file()]
    assert [str(path.relative_to(ROOT)) for path in files if str(path.relative_to(ROOT)) not in names] == []
