"""The files that tasks leave: kept once by content hash, laid out again for whoever depends on them."""

from shared.artifacts.collect import collect, files_in
from shared.artifacts.disk import on_disk
from shared.artifacts.fit import DBREF, INLINE, fit
from shared.artifacts.store import ArtifactStore
from shared.globs import matching, names_hidden

__all__ = ["DBREF", "INLINE", "ArtifactStore", "collect", "files_in", "fit", "matching", "names_hidden", "on_disk"]
