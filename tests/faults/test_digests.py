"""Files that were altered after they were made: flipped bytes, edits that keep the size, old copies. Nothing
of it is used, and each is one message that names the file and the stage that makes it.
"""

import json
import os
import shutil
import tarfile
import zlib
from pathlib import Path

import pytest
import torch

from tests.errors import told
from tests.faults.conftest import Recipe
from xlt.cli import main
from xlt.core.digests import altered, record_of, recorded
from xlt.core.files import sha256
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table
from xlt.formats.weights import UnloadableError, load_plain
from xlt.models import checkpoint

pytestmark = pytest.mark.slow

FLIPS = 40


def flip(path: Path, at: int, keep_times: bool = True) -> None:
    """Change one bit of a byte; size and times of the file stay."""
    info = path.stat()
    with path.open("r+b") as handle:
        handle.seek(at)
        byte = handle.read(1)[0]
        handle.seek(at)
        handle.write(bytes([byte ^ 4]))
    if keep_times:
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def places(path: Path) -> list[int]:
    """Bytes all over a file."""
    size = path.stat().st_size
    return [size * n // FLIPS for n in range(FLIPS)]


def rot(path: Path, at: int) -> None:
    """Change a byte as a failing disk does: the system has noticed no writing."""
    record = record_of(path.parent)
    flip(path, at)
    info, known = path.stat(), json.loads(record.read_text())
    known[path.name][0] = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
    record.write_text(json.dumps(known))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text by text of the same length."""
    assert len(old.encode()) == len(new.encode())
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")


def refused(recipe: Recipe, capsys, stage: str, *settings: str) -> str:
    """What a stage says that ends with status 2 and makes nothing."""
    capsys.readouterr()
    assert recipe(stage, *settings) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_stage_json_has_the_digest_of_every_output(finished):
    for stamp in finished.dir.rglob("stage.json"):
        noted = json.loads(stamp.read_text())["digests"]
        made = {
            path.relative_to(stamp.parent).as_posix(): sha256(path)
            for path in stamp.parent.rglob("*")
            if path.is_file() and path != stamp and not any(part[0] == "." for part in path.parts[1:])
        }
        inner = [p.parent.relative_to(stamp.parent).as_posix() for p in stamp.parent.glob("*/stage.json")]
        own = {name: sha for name, sha in made.items() if name.partition("/")[0] not in inner}
        own.pop("score.json", None) if stamp.parent.name == "main" else None  # a copy of stage 8's
        assert noted == own, stamp


def test_a_flipped_byte_of_a_model_is_never_decoded_with(recipe, capsys):
    recipe.without("decode")
    model = recipe.dir / "exp/main/model.pth"
    for at in places(model):
        flip(model, at)
        told(refused(recipe, capsys, "decode"), "6", where="exp/main/model.pth")
        flip(model, at)
    capsys.readouterr()
    flip(model, 5000)
    assert recipe("train") == 0  # without --force
    assert "again (model.pth was altered by hand or damaged)" in capsys.readouterr().out
    assert recipe("decode") == 0


def test_a_flipped_byte_changes_no_weights_without_stage_json(finished, tmp_path):
    """As in a folder that an older version has made."""
    path = tmp_path / "model.pth"
    shutil.copy(finished.dir / "exp/main/model.pth", path)
    good = load_plain(path)
    for at in places(path):
        flip(path, at)
        try:
            found = load_plain(path)
        except UnloadableError:
            pass
        else:  # padding between the tensors
            assert all(torch.equal(found[name], good[name]) for name in good), at
        flip(path, at)


@pytest.mark.parametrize("name", ["model.pth", "feats_stats.npz", "tokens.txt"])
def test_damage_is_neither_bundled_nor_signed(recipe, capsys, name):
    flip(recipe.dir / "exp/main" / name, 20)
    recipe.without("bundle")
    told(refused(recipe, capsys, "bundle"), "6", where=f"exp/main/{name}")
    assert not (recipe.dir / "exp/main/bundle").exists()


@pytest.mark.parametrize("name", ["/dev/zero", "upstream/../../../../../../dev/zero", "upstream/endless"])
def test_a_bundle_is_asked_for_no_file_outside_of_it(recipe, capsys, name):
    bundle = recipe.dir / "bundle"
    shutil.copytree(recipe.dir / "exp/main/bundle", bundle)
    (bundle / "stage.json").unlink()
    (bundle / "upstream").mkdir(exist_ok=True)
    (bundle / "upstream/endless").symlink_to("/dev/zero")
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"] = {name: "0" * 64}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    if name == "upstream/endless":
        told(refused(recipe, capsys, "train", "tag=b", f"train.init={bundle}"), where="train.init")
    else:
        assert recipe("train", "tag=b", f"train.init={bundle}", "--dry_run") == 0
    assert main(["verify", str(bundle)]) == (2 if name == "upstream/endless" else 0)


@pytest.mark.parametrize("stamped", [True, False])  # False: a bundle that was copied without its stage.json
def test_a_damaged_bundle_starts_no_training(recipe, capsys, stamped):
    bundle = recipe.dir / "bundle"
    shutil.copytree(recipe.dir / "exp/main/bundle", bundle)
    if not stamped:
        (bundle / "stage.json").unlink()
    start = ["tag=b", f"train.init={bundle}"]
    flip(bundle / "model.pth", 6000)
    told(refused(recipe, capsys, "train", *start), "bundle/model.pth", where="train.init")
    flip(bundle / "model.pth", 6000)
    assert recipe("train", *start) == 0


def test_training_does_not_go_on_from_a_flipped_checkpoint(finished, recipe, monkeypatch, capsys):
    recipe.without("train")
    _interrupted(recipe, monkeypatch, 3)
    partial = recipe.dir / "exp/.main.partial"
    flip(partial / "checkpoint.pth", (partial / "checkpoint.pth").stat().st_size // 2)
    capsys.readouterr()
    assert recipe("train") == 0
    out = capsys.readouterr().out
    assert "checkpoint.pth is damaged" in out and "trying the one before" in out
    assert _same_model(recipe, finished)


def test_no_flipped_epoch_is_part_of_the_mean(finished, recipe, monkeypatch, capsys):
    recipe.without("train")
    _interrupted(recipe, monkeypatch, 3)
    epoch = recipe.dir / "exp/.main.partial/1epoch.pth"
    flip(epoch, epoch.stat().st_size // 2)
    capsys.readouterr()
    assert recipe("train") == 0
    out = capsys.readouterr().out
    assert "1epoch.pth is damaged" in out and "epoch 1/3" in out
    assert _same_model(recipe, finished)


def _interrupted(recipe: Recipe, monkeypatch, epoch: int) -> None:
    """Train until the model of ``epoch`` is to be written."""
    save = torch.save

    def stop(value, path, *args, **kwargs):
        if str(path).endswith(f"/{epoch}epoch.pth"):
            raise KeyboardInterrupt
        save(value, path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", stop)
        assert recipe("train") == 130


def _same_model(a: Recipe, b: Recipe) -> bool:
    first, second = (load_plain(recipe.dir / "exp/main/model.pth") for recipe in (a, b))
    return all(torch.equal(first[name], second[name]) for name in first)


def test_whisper_does_not_go_on_from_a_flipped_checkpoint(tmp_path, capsys):
    for epoch in (1, 2):
        rows = [{"epoch": n + 1} for n in range(epoch)]
        checkpoint.write_epoch(tmp_path, epoch, {"w": torch.full((500,), float(epoch))})
        checkpoint.write(tmp_path, {"net": torch.full((500,), float(epoch)), "history": rows})
    newest = tmp_path / checkpoint.NEWEST
    flip(newest, newest.stat().st_size // 2)
    found = checkpoint.read(tmp_path)
    assert found["net"][0] == 1.0 and "is damaged" in capsys.readouterr().out
    flip(newest, newest.stat().st_size // 2)
    assert checkpoint.read(tmp_path)["net"][0] == 2.0
    epoch = checkpoint.epoch_file(tmp_path, 1)
    flip(epoch, epoch.stat().st_size // 2)
    assert checkpoint.read(tmp_path) is None and "epoch1.pth is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["exp/main/score.json", "exp/main/score/score.json"])
def test_edited_scores_reach_no_table(recipe, capsys, name):
    path, results = recipe.dir / name, (recipe.dir / "RESULTS.md").read_text()
    value = json.loads(path.read_text())["sets"]["test"]["cer"]["value"]
    edit(path, f'"value": {value}', f'"value": {"1" * len(str(value))}')
    said = refused(recipe, capsys, "report")
    told(said, "8", where=name)
    assert "altered by hand or damaged" in said and (recipe.dir / "RESULTS.md").read_text() == results
    if name == "exp/main/score.json":
        assert main(["score", "--recipe", str(recipe.dir), "--compare", "exp/main", "exp/main"]) == 2
        told(capsys.readouterr().err, "8", where=name)
    assert recipe("score") == recipe("report") == 0
    assert (recipe.dir / "RESULTS.md").read_text() == results


def test_edited_table_of_utterances_reaches_no_example(recipe, capsys):
    path = recipe.dir / "exp/main/score/test.tsv"
    reference = path.read_text().splitlines()[1].split("\t")[-2]
    edit(path, reference, reference[::-1])
    told(refused(recipe, capsys, "report"), "8", where="exp/main/score/test.tsv")


def test_what_the_system_did_not_see_is_seen_before_use(recipe, capsys):
    model = recipe.dir / "exp/main/model.pth"
    recipe.without("decode")
    rot(model, 5000)
    assert recipe("train") == 0 and "is up to date" in capsys.readouterr().out  # nothing was read
    told(refused(recipe, capsys, "decode"), "6", where="exp/main/model.pth")
    assert recipe("train") == 0  # now it is known
    assert "again (model.pth was altered by hand or damaged)" in capsys.readouterr().out
    assert recipe("decode") == 0


def test_verify_reads_everything(recipe, capsys):
    assert main(["verify"]) == 0
    count = len(recorded(recipe.dir / "exp/main"))
    assert f"exp/main: as it was made, files: {count}" in capsys.readouterr().out
    rot(recipe.dir / "exp/main/bundle/model.pth", 5000)
    flip(recipe.dir / "data/all/wav" / sorted(os.listdir(recipe.dir / "data/all/wav"))[0], 100)
    assert main(["verify"]) == 2
    out, said = capsys.readouterr()
    assert "exp/main/bundle/model.pth: altered" in out and "data/all/wav/" in out
    told(said, where="data/all/wav/" + sorted(os.listdir(recipe.dir / "data/all/wav"))[0])
    assert main(["verify", "exp/main/score", "data/dev"]) == 0
    assert main(["verify", "log"]) == 2 and main(["verify", "nothing"]) == 2


def test_outputs_of_older_versions_stay_up_to_date(recipe, capsys):
    """Their stage.json has no digests: nothing is known of them, and nothing is made again or said."""
    for path in recipe.dir.rglob("stage.json"):
        stamp = json.loads(path.read_text())
        del stamp["digests"]
        path.write_text(json.dumps(stamp))
        record_of(path.parent).unlink()
    capsys.readouterr()
    for stage in ("data", "check", "features", "tokens", "train", "decode", "score", "report", "bundle"):
        assert recipe(stage) == 0
    out, err = capsys.readouterr()
    assert err == "" and "making" not in out and "wrote" not in out
    assert main(["verify", "exp/main/score"]) == 0
    assert "older xlt" in capsys.readouterr().out
    recipe.without("decode")
    assert recipe("decode") == 0
    edit(recipe.dir / "exp/main/tokens.txt", "<blank>", "<BLANK>")
    with (recipe.dir / "exp/main/tokens.txt").open("a") as file:
        file.write("x\n")
    assert recipe("train") == 0 and "again (tokens.txt was altered)" in capsys.readouterr().out


def test_a_run_with_nothing_to_do_reads_no_model(recipe, monkeypatch):
    import xlt.core.digests

    read = []
    xlt.core.digests._digest.cache_clear()
    monkeypatch.setattr(xlt.core.digests, "sha256", lambda path: read.append(path) or sha256(path))
    for stage in ("data", "features", "tokens", "train", "decode", "score", "report", "bundle"):
        assert recipe(stage) == 0
    assert [path for path in read if path.parent != recipe.dir / "exp/main/score"] == []


def test_own_changes_are_kept_without_stage_json(recipe, capsys):
    """The way out that the message names."""
    text = recipe.dir / "data/train/text"
    first = next(iter(read_table(text).values()))
    edit(text, first, first[::-1])
    told(refused(recipe, capsys, "tokens"), "1", where="data/train/text")
    (recipe.dir / "data/train/stage.json").unlink()
    assert recipe("tokens") == 0


def test_checksums_older_than_the_store_are_seen_and_mended(recipe, capsys):
    dump = recipe.dir / "dump/fbank/train"
    before = {utt: matrix.copy() for utt, matrix in _matrices(dump)}
    old = (dump / "utt2crc").read_text()
    utt, place = next(iter(read_table(dump / "feats.scp").items()))
    _encode_anew(Path(place.rpartition(":")[0]), int(place.rpartition(":")[2]), dump, utt)
    assert dict(_matrices(dump)).keys() == before.keys()  # the repair is whole
    (dump / "utt2crc").write_text(old)  # and a backup is put back, with its stage.json
    stamp = json.loads((dump / "stage.json").read_text())
    stamp["digests"]["utt2crc"] = sha256(dump / "utt2crc")
    (dump / "stage.json").write_text(json.dumps(stamp))
    recipe.without("train")
    told(refused(recipe, capsys, "train"), utt, where="dump/fbank/train/feats.scp")
    assert main(["cache", "verify"]) == 2
    out = capsys.readouterr().out
    assert f"utterance {utt} of" in out and "utt2crc" in out and "all checksums agree" not in out
    assert main(["cache", "verify", "--repair"]) == 0
    assert main(["cache", "verify"]) == 0
    assert altered(dump, recorded(dump), fresh=True) == []
    assert recipe("features") == 0 and "making" not in capsys.readouterr().out
    (dump / "utt2crc").write_text(old)
    stamp["digests"]["utt2crc"] = sha256(dump / "utt2crc")
    (dump / "stage.json").write_text(json.dumps(stamp))
    assert recipe("features") == 0
    assert f"utt2crc is older than the stored features, first of {utt}" in capsys.readouterr().out
    assert recipe("train") == 0


def _matrices(dump: Path):
    reader = FeatureReader(dump / "feats.scp")
    return [(utt, reader[utt]) for utt in reader]


def _encode_anew(ark: Path, offset: int, dump: Path, utt: str) -> None:
    """What a repair does whose last bits differ: archive, index and utt2crc agree on them."""
    index = ark.with_suffix(".idx")
    rows = [line.split(" ") for line in index.read_text().splitlines()]
    (row,) = [row for row in rows if int(row[1]) == offset]
    flip(ark, offset + int(row[4]) - 4, keep_times=False)
    row[3] = f"{zlib.crc32(ark.read_bytes()[offset : offset + int(row[4])]):08x}"
    index.write_text("".join(" ".join(row) + "\n" for row in rows))
    crcs = read_table(dump / "utt2crc") | {utt: row[3]}
    (dump / "utt2crc").write_text("".join(f"{key} {crc}\n" for key, crc in crcs.items()))


def test_an_archive_that_was_altered_in_its_middle_is_unpacked_again(tmp_path, monkeypatch):
    from xlt.core.config import load
    from xlt.data.corpora.archive import unpacked

    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    cfg, archive, big = load(tmp_path), tmp_path / "corpus.tar", bytes(3 << 20)
    for word in (b"old", b"new"):
        with tarfile.open(archive, "w") as pack:
            for name, content in (("a.bin", big), ("text.tsv", word), ("b.bin", big)):
                (tmp_path / name).write_bytes(content)
                pack.add(tmp_path / name, f"corpus/{name}")
        assert (unpacked(archive, cfg) / "text.tsv").read_bytes() == word
    assert len(list((tmp_path / "cache/unpacked").glob("corpus-*"))) == 2


def test_what_an_older_version_has_unpacked_is_taken_over(tmp_path, monkeypatch, capsys):
    from xlt.core.config import load
    from xlt.data.corpora.archive import _old_key, unpacked

    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    archive = tmp_path / "corpus.tar"
    (tmp_path / "a.txt").write_text("a")
    with tarfile.open(archive, "w") as pack:
        pack.add(tmp_path / "a.txt", "corpus/a.txt")
    older = tmp_path / "cache/unpacked" / f"corpus-{_old_key(archive)}"
    older.mkdir(parents=True)
    (older / "mark").touch()
    os.utime(older, (2e9, 2e9))  # later than the archive
    assert (unpacked(archive, load(tmp_path)) / "mark").exists()
    assert "unpacks" not in capsys.readouterr().out and not older.exists()


def test_nothing_of_a_killed_run_stays_in_a_finished_folder(recipe):
    """Such names are of a process that is gone: the largest id that Linux gives is 4194304."""
    gone = 4194305
    left = [
        recipe.dir / "exp/main" / f".score.json.{gone}.partial",
        recipe.dir / "data/tokens/char" / f".stage.json.{gone}.partial",
        recipe.dir / f".RESULTS.md.{gone}.partial",
        recipe.dir / "exp/main/request.json",
        recipe.dir / "dump/fbank/dev/request.json",
    ]
    mine = recipe.dir / "exp/main" / f".score.json.{os.getpid()}.partial"
    for path in (*left, mine):
        path.write_text("{}")
        os.utime(path, (1e9, 1e9))
    (recipe.dir / "RESULTS.md").unlink()
    for stage in ("features", "tokens", "train", "report"):
        assert recipe(stage) == 0
    assert [path for path in left if path.exists()] == []
    assert mine.exists()


def test_a_unit_that_is_finished_leaves_no_partial_file_inside(recipe):
    """A run that was killed while it wrote a file is continued: its torn file goes."""
    recipe.without("features")
    partial = recipe.dir / "dump/fbank/.train.partial"
    child = recipe.start("features", hold=22)
    child.kill()
    child.communicate()
    torn = partial / ".plan.json.4194305.partial" if partial.exists() else None
    if torn is None:
        pytest.fail("the run was to be killed in its first set")
    torn.write_text("{")
    os.utime(torn, (1e9, 1e9))
    assert recipe("features") == 0
    assert [p.name for p in (recipe.dir / "dump/fbank").rglob(".*.partial")] == []
    assert list(recipe.dir.rglob("request.json")) == []
