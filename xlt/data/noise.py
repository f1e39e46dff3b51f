"""``data.noise``: sounds that altered copies and made test sets put behind speech, gathered in ``data/noise``
(:mod:`xlt.audio.augment.sounds`).

A name has sound files, recipes, or packages: ``tuxpaint``, its other languages, ``fillets``, music of a game.
Of a recipe only the training set is taken, of Tux Paint only pictures that are training data by the hash and
not held out here; a recording that this recipe is tested on is refused, also in another format, and so is
one that tested clips are parts of. ``babble`` is made of its sounds:
several voices at once. N samples at 16 kHz.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import numpy as np

from xlt.audio.alike import Known, bands
from xlt.audio.augment.levels import SILENCE, active_power
from xlt.audio.augment.noise import COLOURS
from xlt.audio.augment.sounds import FACTS
from xlt.audio.files import SAMPLE_RATE, read_blocks, read_wav
from xlt.core.config import CROSS, Config
from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.files import sha256
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, write_json
from xlt.data.clips import audio_digest, write_wav
from xlt.data.corpora.sounds import SUFFIXES
from xlt.data.groups import position
from xlt.data.spans import TABLE as SPANS
from xlt.data.spans import Span
from xlt.formats.tables import read_scp, read_table, write_table

BABBLE, TUXPAINT, FILLETS = "babble", "tuxpaint", "fillets"
PARTS = {"train": 360.0, "dev": 120.0, "test": 120.0}  # seconds of each kind
SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}  # of the recordings
POOL = 2.0  # speech that babble is made of, times its length
VOICES, TURN_S = (3, 7), 10.0  # of babble: how many at once, until others take over
LONGEST_S = 60.0  # of one recording
LEVEL_DB = -26.0  # under full scale
_TAKEN = "recordings"  # table of hashes and names
_CUT = "cut"  # of a recording that all parts have a stretch of
_FEW = 3  # recordings; fewer are cut into parts
_MADE = 2  # a new number makes data/noise again


def check(cfg: Config) -> None:
    """ConfigError unless ``data.noise`` gives places to names, and the places are there."""
    given = cfg.as_given("data.noise")
    for name, places in cfg.data.noise.items():
        where = f"data.noise={given}"
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigError(
                f"{where}: found {name!r}, expected a name of letters, such as babble or street"
            )
        if name in COLOURS:
            raise ConfigError(f"{where}: {name} noise is computed; rename these sounds")
        if not isinstance(places, list) or not places:
            raise ConfigError(
                f"{where}: {name}: found {places!r}, expected a list of folders, such as [../fra]"
            )
        for place in places:
            _check_place(cfg, f"{where}: {name}", str(place))


def _check_place(cfg: Config, where: str, place: str) -> None:
    if place in (TUXPAINT, FILLETS):
        return
    folder = Path(place)
    if not folder.is_dir():
        raise ConfigError(
            f"{where}: {place}: no such folder; name a folder of sound files, a recipe, {TUXPAINT} or"
            f" {FILLETS}"
        )
    if _is_recipe(folder):
        if cfg.data.split == CROSS and folder.resolve() == cfg.recipe.resolve():
            raise ConfigError(
                f"{where}: {place}: with data.split=cross all of this recipe is tested on; name others"
            )
        return
    own = Path(cfg.data.dir) if cfg.data.dir else None
    if own and (folder.is_relative_to(own) or own.is_relative_to(folder)):
        raise ConfigError(
            f"{where}: {place}: is the corpus itself, with what it is tested on; name the recipe ('.') to"
            " take its training set"
        )


def unit(ctx: Context, fingerprint: Callable[[Path], str]) -> Unit:
    """``data/noise``; ``fingerprint``: of a folder that is there."""
    inputs = [ctx.everything / table for table in ("utt2audio", "utt2split", "utt2content")]
    seen: dict[str, str] = {}
    for place in dict.fromkeys(str(place) for places in ctx.cfg.data.noise.values() for place in places):
        if _is_folder(place):
            seen[Path(place).name] = fingerprint(Path(place))
        elif place not in (TUXPAINT, FILLETS):
            inputs.append(_train_of(ctx, Path(place)) / "utt2audio")
    config = {**ctx.cfg.section("data.noise"), "made": _MADE, "sounds": seen}
    if any(TUXPAINT in places for places in ctx.cfg.data.noise.values()):
        config["lang"] = ctx.cfg.lang
    return Unit("data", ctx.noise, config, inputs, lambda out: make(ctx, out))


def _held_out(ctx: Context, table: str) -> dict[str, str]:
    """``{value in a table of data/all: utterance and set}`` of what this recipe is tested on; in
    cross-validation, that is everything.
    """
    utt2split, cross = read_table(ctx.everything / "utt2split"), ctx.cfg.data.split == CROSS
    rows = read_table(ctx.everything / table) if (ctx.everything / table).exists() else {}
    return {
        value: f"{utt} of {utt2split[utt]}"
        for utt, value in rows.items()
        if cross or utt2split[utt] != "train"
    }


class _Tested:
    """What this recipe is tested on, to compare recordings of a folder with."""

    def __init__(self, ctx: Context):
        self.audio = _held_out(ctx, "utt2audio")
        self.parts = {Span.parse(span).recording: utt for span, utt in _held_out(ctx, SPANS).items()}
        utts = {utt.split(" of ")[0]: utt for utt in self.audio.values()}
        waves = read_scp(ctx.everything / "wav.scp", ctx.recipe)
        self.clips = [(named, waves[utt]) for utt, named in utts.items()]
        self.alike: Known | None = None

    def refuse(self, path: Path, wave: np.ndarray, sha: str, folder: bool) -> None:
        """DataError if the recording is one of these, in a ``folder`` also in another format, or has one of
        these.
        """
        found = self.audio.get(sha) or self.parts.get(os.path.realpath(path))
        if not found and folder:
            if self.alike is None:
                self.alike = Known(len(self.clips), lambda number: bands(read_wav(self.clips[number][1])))
            number = self.alike.find(bands(wave))
            found = None if number is None else self.clips[number][0]
        if found:
            raise _leak(path, found)


def make(ctx: Context, out: Path) -> dict:
    """Gather the sounds into ``out``; returns how long they are."""
    tested = _Tested(ctx)
    taken: dict[str, str] = {}
    parts: dict[str, str] = {}
    seconds: dict[str, dict[str, float]] = {}
    digest = hashlib.sha256()
    for name, places in sorted(ctx.cfg.data.noise.items()):
        files = {file: _is_folder(str(place)) for place in places for file in _files(ctx, str(place))}
        if not files:
            raise DataError(f"data.noise: {name}: there are no sound files in {places}; name another folder")
        seconds[name] = {}
        for part, wave in _gathered(name, files, tested, taken, parts).items():
            (out / part).mkdir(exist_ok=True)
            samples = np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)
            digest.update(f"{part} {name} {audio_digest(samples)}\n".encode())
            write_wav(out / part / f"{name}.wav", samples)
            seconds[name][part] = round(len(samples) / SAMPLE_RATE, 1)
        told = ", ".join(f"{part} {length:.0f} s" for part, length in seconds[name].items())
        say(f"  noise {name}: {told}, from {len(files)} recordings")
    write_table(out / _TAKEN, taken)
    write_json(out / FACTS, {"digest": digest.hexdigest()[:8], "seconds": seconds})
    return {"seconds": seconds}


def refuse_tested(ctx: Context) -> None:
    """DataError if a recording in data/noise is an utterance of a set that is tested on and not in data/all:
    one of another corpus.
    """
    taken = read_table(ctx.noise / _TAKEN) if (ctx.noise / _TAKEN).exists() else {}
    for name in ctx.cfg.checked_sets[1:]:
        table = ctx.data / name / "utt2audio"
        for utt, sha in (read_table(table) if table.exists() else {}).items():
            if sha in taken:
                raise _leak(taken[sha], f"{utt} of {name}")


def _leak(recording: object, utterance: str) -> DataError:
    return DataError(
        f"data.noise: {recording}: is, or has, utterance {utterance}: a model must not have heard what it is"
        " tested on; take it out of the noise"
    )


def _gathered(
    name: str,
    files: dict[Path, bool],
    tested: _Tested,
    taken: dict[str, str],
    parts: dict[str, str],
) -> dict[str, np.ndarray]:
    """The sounds of each part, (N,); ``files``: whether each is from a folder; ``taken`` gets hash and name
    of each recording, ``parts`` hash and part of those from folders. What another part has is left out.
    """
    ranked = sorted(_once(files), key=lambda path: position(path.name, f"noise {path.parent.name}"))
    found: dict[str, np.ndarray] = {}
    bounds = _bounds(len(ranked))
    twice: list[str] = []
    with Progress(f"noise {name}", len(PARTS), "parts") as bar:
        for part, wanted_s in PARTS.items():
            few = len(ranked) < _FEW
            own = ranked if few else ranked[slice(*bounds[part])]
            pieces: list[np.ndarray] = []
            needed = wanted_s * (POOL if name == BABBLE else 1) * SAMPLE_RATE
            for path in own:
                if sum(map(len, pieces)) >= needed:
                    break
                wave = _read(path)
                sha = audio_digest(np.clip(np.rint(wave * 32768), -32768, 32767).astype(np.int16))
                tested.refuse(path, wave, sha, files[path])
                place = _CUT if few else part
                if files[path] and parts.setdefault(sha, place) != place:
                    twice.append(path.name)
                    continue
                taken[sha] = "_".join(path.name.split())
                if few:
                    start, end = _bounds(len(wave))[part]
                    wave = wave[start:end]
                if active_power(wave) > SILENCE:
                    pieces.append(_levelled(wave))
            if not pieces:
                why = "is noise of another part, too" if twice else "digital silence"
                raise DataError(f"data.noise: {name}: {own[0]}: {why}; name other sounds")
            if name == BABBLE:
                rng = np.random.default_rng([len(found), 0])
                found[part] = babble(pieces, wanted_s, rng)
            else:
                found[part] = np.concatenate(pieces)[: round(wanted_s * SAMPLE_RATE)]
            bar.add()
    if twice:
        told = f"{len(twice)} recordings left out, which training or another set hears"
        say(f"  noise {name}: {told} (first: {twice[0]})")
    return found


def _once(files: dict[Path, bool]) -> list[Path]:
    """The files, of those from folders that have the same bytes only the first."""
    sizes = Counter(path.stat().st_size for path in files)
    seen: set[str] = set()
    found = []
    for path, in_folder in files.items():
        if in_folder and sizes[path.stat().st_size] > 1:
            if (digest := sha256(path)) in seen:
                continue
            seen.add(digest)
        found.append(path)
    return found


def _bounds(count: int) -> dict[str, tuple[int, int]]:
    """``{part: (first, behind the last)}`` of so many things, at least one each where there are three."""
    test = max(1, round(count * SHARES["test"])) if count >= _FEW else 0
    dev = max(1, round(count * SHARES["dev"])) if count >= _FEW else 0
    train = count - dev - test
    return {"train": (0, train), "dev": (train, train + dev), "test": (train + dev, count)}


def babble(voices: list[np.ndarray], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Several of ``voices`` (N,) at once for so long, (seconds × rate,): in each turn others, each saying one
    clip after another from a random place on.
    """
    count, turn = round(seconds * SAMPLE_RATE), round(TURN_S * SAMPLE_RATE)
    found = np.zeros(count)
    for start in range(0, count, turn):
        size = min(turn, count - start)
        number = int(rng.integers(VOICES[0], VOICES[1] + 1))
        for _ in range(number):
            said: list[np.ndarray] = []
            while sum(map(len, said)) < 2 * size:
                said.append(voices[rng.integers(len(voices))])
            stream = np.concatenate(said)
            at = int(rng.integers(len(stream) - size + 1))
            found[start : start + size] += stream[at : at + size] / np.sqrt(number)
    return found


def _levelled(wave: np.ndarray) -> np.ndarray:
    return wave * np.sqrt(10 ** (LEVEL_DB / 10) / active_power(wave))


def _read(path: Path) -> np.ndarray:
    """The first minute of a recording (N,)."""
    blocks: list[np.ndarray] = []
    for block in read_blocks(path):
        blocks.append(block)
        if sum(map(len, blocks)) > LONGEST_S * SAMPLE_RATE:
            break
    return np.concatenate(blocks)[: round(LONGEST_S * SAMPLE_RATE)]


def _files(ctx: Context, place: str) -> Iterator[Path]:
    """The recordings of a place of ``data.noise``."""
    if place == TUXPAINT:
        yield from _other_languages(ctx.cfg, _held_out(ctx, "utt2content"))
    elif place == FILLETS:
        yield from sorted(_music(ctx.cfg).rglob("*.ogg"))
    elif _is_recipe(Path(place)):
        folder = _train_of(ctx, Path(place))
        yield from map(Path, read_scp(folder / "wav.scp", Path(place)).values())
    else:
        yield from sorted(p for p in Path(place).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _is_folder(place: str) -> bool:
    return place not in (TUXPAINT, FILLETS) and not _is_recipe(Path(place))


def _is_recipe(folder: Path) -> bool:
    return (folder / "recipe.yaml").is_file()


def _train_of(ctx: Context, recipe: Path) -> Path:
    """The training set of a recipe; ConfigError unless its stage 1 has made it."""
    own = recipe.resolve() == ctx.recipe
    folder = ctx.data / ctx.cfg.train_set if own else recipe / "data" / "train"
    if not (folder / "wav.scp").exists():
        raise ConfigError(
            f"data.noise: {recipe.name}: has no data/train yet; run stage 1 of that recipe first: run.sh"
            " --stop_stage 1"
        )
    return folder


def _other_languages(cfg: Config, tested: Container[str]) -> Iterator[Path]:
    """Clips of Tux Paint in other languages, of pictures that are training data; ``tested``: those that this
    recipe is tested on.
    """
    from xlt.data.corpora import tuxpaint
    from xlt.data.groups import split
    from xlt.text import languages

    root = tuxpaint.source(_elsewhere(cfg, TUXPAINT))
    texts, clips = tuxpaint.stamp_texts(root), tuxpaint.stamp_clips(root)
    stamps = sorted(set(texts) | {stamp for of_code in clips.values() for stamp in of_code})
    group = tuxpaint.contents([s for s in stamps if not s.startswith(tuxpaint.ALPHABETS)], texts, clips)
    place = split(group.values())
    own = languages.get(cfg.lang).iso1
    for code, of_code in sorted(clips.items()):
        for stamp, path in sorted(of_code.items()):
            known = code != own and stamp in group and group[stamp] not in tested
            if known and place[group[stamp]] == "train":
                yield path


def _music(cfg: Config) -> Path:
    """The folder with the music of Fish Fillets NG."""
    from xlt.data.corpora.debian import given_deb
    from xlt.data.corpora.fillets import TEXTS
    from xlt.fetch.files import cache_root
    from xlt.fetch.packages import apt_download, unpacked

    cache = cache_root(cfg.data.cache)
    deb = given_deb(_elsewhere(cfg, FILLETS), TEXTS) or apt_download(TEXTS, None, cache / "apt")

    def wanted(path: str) -> bool:
        return "/music/" in path and path.endswith(".ogg")

    return unpacked(deb, cache / "music", wanted, f"music/*.ogg; expected {TEXTS}_*.deb")


def _elsewhere(cfg: Config, reader: str) -> Config:
    """The settings without the place of the corpus, unless ``reader`` reads it."""
    if cfg.data.reader == reader:
        return cfg
    return dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, dir=None, archive=None))
