"""A bundle whose recognisers are loaded as they are asked for."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.bundle.joined import Joined
from xlt.bundle.manifest import MANIFEST, is_joined, read_manifest
from xlt.core.errors import ConfigError, DataError
from xlt.formats.model_folder import BACKBONE, HEADS, packed_upstream, read_info
from xlt.lid import store
from xlt.lid.pool import Identifier

if TYPE_CHECKING:
    from xlt.bundle.transcribe import Transcriber
    from xlt.features.backbone import Backbone
    from xlt.models.onnx.shared import Shared

KEPT = 8  # heads that stay loaded


class Bundle:
    """A bundle in ``folder``. ``languages``: the names of its heads, such as ``ron_Latn``; ``load`` loads the
    recogniser of one of them, and ``kept`` of those stay loaded: the least recently used are dropped.

    ``identify`` loads its language identification; None: it has none. Threads may share it.
    """

    def __init__(
        self,
        folder: Path,
        languages: Sequence[str],
        load: Callable[[str], Transcriber],
        kept: int = KEPT,
        identify: Callable[[], Identifier] | None = None,
    ):
        self.folder, self.languages, self.kept = folder, tuple(languages), kept
        self.identify = identify
        self._load, self._lock = load, threading.Lock()
        self._loaded: dict[str, Transcriber] = {}  # the most recently used last

    def head(self, lang: str | None = None) -> Transcriber:
        """The recogniser of a language, loaded if it is not yet; None: of the only one.

        A name is one of :attr:`languages`, or what precedes its underscore where that is clear, e.g. ``ron``.
        ConfigError for a language that is not there, and for None where there are several; DataError if what
        is to be loaded is damaged.
        """
        name = self.named(lang)
        with self._lock:
            found = self._loaded.pop(name, None)
            if found is None:
                found = self._load(name)
                while len(self._loaded) >= self.kept:
                    del self._loaded[next(iter(self._loaded))]
            self._loaded[name] = found
            return found

    def named(self, lang: str | None) -> str:
        """The one of :attr:`languages` that ``lang`` means; ConfigError as :meth:`head`."""
        return chosen(self.languages, lang, str(self.folder))


def chosen(languages: Sequence[str], lang: str | None, where: str) -> str:
    """The one of ``languages`` of the bundle ``where`` that ``lang`` means; ConfigError as
    :meth:`Bundle.head`.
    """
    offered = ", ".join(languages)
    if lang is None:
        if len(languages) == 1:
            return languages[0]
        raise ConfigError(f"--lang: {where} has several languages ({offered}); name one of them")
    meant = [name for name in languages if name == lang] or [
        name for name in languages if name.partition("_")[0] == lang
    ]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ConfigError(f"--lang {lang}: may be {' or '.join(meant)}; give the whole name")
    raise ConfigError(f"--lang {lang}: {where} does not have it; it has {offered}")


def opened(folder: Path, kept: int = KEPT) -> Bundle:
    """The bundle in ``folder``, of one language or of several; DataError if it is damaged, or of a newer
    xlt.
    """
    return _several(folder, kept) if is_joined(folder) else _single(folder)


def _single(folder: Path) -> Bundle:
    lang = read_manifest(folder).get("lang")
    lang = read_info(folder, "copy the bundle again")["lang"] if lang is None else lang
    if not isinstance(lang, str):
        raise DataError(f"{folder / MANIFEST}: damaged: lang is {lang!r}; copy the bundle again")

    def load(name: str) -> Transcriber:
        from xlt.bundle.transcribe import Transcriber

        return Transcriber(folder)

    return Bundle(folder, [lang], load)


def _several(folder: Path, kept: int) -> Bundle:
    joined = Joined.read(folder)

    @functools.cache
    def backbone() -> Backbone | Shared:
        return load_backbone(folder, joined)

    def load(name: str) -> Transcriber:
        from xlt.bundle.transcribe import Transcriber

        joined.check_head(folder, name)
        return Transcriber(folder / HEADS / name, backbone())

    @functools.cache
    def identify() -> Identifier:
        assert joined.lid is not None
        joined.check_lid(folder)
        classifier, where = store.read(folder, joined.lid), str(folder / joined.lid.file)
        layers, base = joined.lid.layers, backbone()
        return Identifier(lambda waves: base.layers(waves, layers), classifier, where)

    return Bundle(folder, sorted(joined.heads), load, kept, identify if joined.lid else None)


def load_backbone(folder: Path, joined: Joined) -> Backbone | Shared:
    """What the heads of the bundle stand on; DataError if its files are damaged, UpstreamError if they are
    another backbone's.
    """
    from xlt.core.errors import UpstreamError
    from xlt.core.schema import check_setting
    from xlt.features.backbone import Backbone
    from xlt.features.extract import Setup
    from xlt.fetch.files import cache_root
    from xlt.fetch.hub import offline
    from xlt.models.onnx.shared import NAME, Shared
    from xlt.upstreams import upstream_class

    foundation, where = joined.foundation, str(folder / MANIFEST)
    joined.check_backbone(folder)
    if foundation.name == NAME:
        return Shared(folder / BACKBONE, foundation.upstream, folder / MANIFEST)
    check_setting("features.upstream", foundation.name, where)
    check_setting("features.dtype", foundation.dtype, where)
    packed = packed_upstream(folder / HEADS / "any")
    with offline():
        source = upstream_class(foundation.name).find(
            foundation.name, str(packed) if packed else None, cache_root(None)
        )
        if source.identity != foundation.upstream:
            raise UpstreamError(
                f"{folder}: its heads were trained on {dict(foundation.upstream)}, but the backbone found is"
                f" {source.identity}; copy the whole bundle again"
            )
        layers = [head.layers for head in joined.heads.values()]
        layers += [list(joined.lid.layers)] if joined.lid else []
        return Backbone(Setup(source, "last", foundation.dtype, 80.0), layers)
