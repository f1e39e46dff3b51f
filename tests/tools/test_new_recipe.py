"""tools/new_recipe.sh in a copy of the tree whose environment is the one that runs the tests; no model hub is
there.
"""

import shutil
from pathlib import Path

import pytest
import soundfile

from tests.data.corpus import PHRASES, melody, stamp, tone
from tests.tree import Tree
from xlt.core.config import load

pytestmark = pytest.mark.slow

SMALL = "preset=fast features.upstream=fbank train.max_epochs=1 train.min_updates=0 score.bootstrap=20 nj=1"
SHIPPED = {p.parent.name for p in (Path(__file__).resolve().parents[2] / "egs").glob("*/recipe.yaml")} | {
    "common"
}


class Desk(Tree):
    """The copy, with a home of its own."""

    def __init__(self, root: Path):
        super().__init__(root / "xlt checkout")
        self.home = root / "home"
        self.home.mkdir()

    def new(self, words: str):
        return self.run(
            f"tools/new_recipe.sh {words}",
            HF_HUB_OFFLINE="1",
            HOME=str(self.home),
            XLT_CACHE=str(self.home / "cache"),
        )

    def made(self) -> list[str]:
        """The recipes that were not there before."""
        return sorted(p.name for p in (self.root / "egs").iterdir() if p.is_dir() and p.name not in SHIPPED)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def table(folder: Path, phrases=PHRASES) -> Path:
    """A person's folder: sound files and a spreadsheet saved as text, its name awkward in a shell and in
    YAML.
    """
    for number, _ in enumerate(phrases):
        tone(folder / f"clip {number}.wav", hz=200.0 + 20 * number)
    rows = "".join(f"clip {number}.wav\t{phrase.capitalize()}!\n" for number, phrase in enumerate(phrases))
    (folder / "my words.tsv").write_text(f"path\ttext\n{rows}", encoding="utf-8-sig")
    return folder


def kaldi(folder: Path, phrases=PHRASES) -> Path:
    folder.mkdir(parents=True)
    for name, value in (("wav.scp", "{0}.wav"), ("text", "{1}"), ("utt2spk", "ana")):
        (folder / name).write_text(
            "".join(f"ana-{k:02} {value.format(k, p)}\n" for k, p in enumerate(phrases)), "utf-8"
        )
    for number, _ in enumerate(phrases):
        tone(folder / f"{number}.wav", hz=200.0 + 20 * number)
    return folder


def tuxpaint(folder: Path) -> Path:
    for number, phrase in enumerate(PHRASES):
        stamp(
            folder / "usr/share/tuxpaint/stamps",
            f"animals/s{number:02}",
            {"gl": phrase},
            {"gl": 200.0 + 20 * number},
        )
    return folder


def lhotse(folder: Path) -> Path:
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    recordings, supervisions = [], []
    for number, phrase in enumerate(PHRASES):
        tone(folder / f"{number}.wav", hz=200.0 + 20 * number)
        recordings.append(Recording.from_file(folder / f"{number}.wav"))
        supervisions.append(
            SupervisionSegment(f"u{number:02}", str(number), 0.0, recordings[-1].duration, text=phrase)
        )
    RecordingSet.from_recordings(recordings).to_file(folder / "x_recordings_all.jsonl.gz")
    SupervisionSet.from_segments(supervisions).to_file(folder / "x_supervisions_all.jsonl.gz")
    return folder


def textgrids(folder: Path) -> Path:
    """As Praat saves them by default, in UTF-16 where a text needs it; two recordings, six sentences each."""
    for number in range(2):
        own = PHRASES[6 * number : 6 * number + 6]
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0 9 <exists> 2"]
        lines.append('"IntervalTier" "orth" 0 9 6')
        for place, phrase in enumerate(own):
            lines += [f"{place * 1.5 + 0.1:g}", f"{place * 1.5 + 1.3:g}", f'"{phrase}"']
        lines.append('"IntervalTier" "gloss" 0 9 1 0 9 ""')
        _melodies(folder / f"rec{number}.WAV", number)
        (folder / f"rec{number}.TextGrid").write_text("\n".join(lines), "utf-16")
    return folder


def subtitles(folder: Path) -> Path:
    for number in range(2):
        cues = ""
        for place, phrase in enumerate(PHRASES[6 * number : 6 * number + 6]):
            start, end = (f"00:00:{place * 1.5 + offset:06.3f}" for offset in (0.1, 1.3))
            cues += f"{place + 1}\n{start} --> {end}\n<i>{phrase}</i>\n\n"
        _melodies(folder / f"rec{number}.ogg", number)
        (folder / f"rec{number}.srt").write_text(cues.replace(".", ","), "utf-8-sig")
    return folder


def _melodies(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, melody(seed, dur_s=9.0), 16000, format=path.suffix[1:].upper())


@pytest.mark.parametrize(
    ("make", "reader", "code"),
    [
        (table, "table", "lug_Latn"),
        (textgrids, "labels", "lug_Latn"),
        (subtitles, "labels", "lug_Latn"),
        (kaldi, "kaldi", "gsw_Latn"),
        (lhotse, "lhotse", "lug_Latn"),
        (tuxpaint, "tuxpaint", "glg_Latn"),
    ],
)
def test_the_form_is_recognised_and_the_recipe_filled_in(desk, tmp_path, make, reader, code):
    folder = make(tmp_path / "it's a corpus: #1")
    done = desk.new(f'{code} "{folder}"')
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    recipe = desk.root / "egs" / code[:3]
    cfg = load(recipe)
    assert (cfg.lang, cfg.data.reader, cfg.data.dir) == (code, reader, str(folder))
    assert f": reader {reader} (" in done.stdout
    assert {p.name for p in recipe.iterdir() if p.is_file()} == {"README.md", "recipe.yaml", "run.sh"}
    assert (recipe / "run.sh").read_bytes() == (desk.root / "egs" / "TEMPLATE" / "run.sh").read_bytes()
    assert code in (recipe / "README.md").read_text() and "CODE" not in (recipe / "README.md").read_text()
    assert "Fill in" not in (recipe / "recipe.yaml").read_text()


@pytest.mark.parametrize(("make", "speakers"), [(table, 1), (textgrids, 2), (subtitles, 2)])
def test_two_commands_from_a_folder_to_a_trained_system(desk, tmp_path, make, speakers):
    """And what is said between them: speech, speakers, alphabet, problems, the next command."""
    folder = make(tmp_path / "my_folder")
    done = desk.new(f"lug_Latn {folder}")
    *_, last = done.stdout.splitlines()
    assert done.returncode == 0 and last == "next: egs/lug/run.sh"
    told = done.stdout.partition("egs/lug has:\n")[2]
    lines = [line for line in told.splitlines() if line.endswith(" speakers")]
    assert [line.split()[0] for line in lines] == ["train", "dev", "test"]
    assert all(1 <= int(line.split()[-2]) <= speakers for line in lines)
    assert f"alphabet: {len(set(''.join(PHRASES)))} characters: " in told and "space " in told
    assert "problems: " in told and "more in egs/lug/data/check/report.md" in told
    done = desk.run(f"{last.removeprefix('next: ')} {SMALL}")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (desk.root / "egs/lug/exp/main/bundle").is_dir() and "CER" in (
        desk.root / "egs/lug/RESULTS.md"
    ).read_text()


def test_a_table_itself_in_a_folder_of_the_checkout(desk):
    """A path inside the checkout is kept relative, so that the whole can be moved."""
    table(desk.root / "corpora" / "lug")
    done = desk.run(
        "../tools/new_recipe.sh lug_Latn 'lug/my words.tsv'", cwd=desk.root / "corpora", HF_HUB_OFFLINE="1"
    )
    assert done.returncode == 0, done.stderr
    assert load(desk.root / "egs" / "lug").as_given("data.dir") == "../../corpora/lug/my words.tsv"


def test_a_corpus_whose_name_begins_like_an_option(desk):
    table(desk.root / "corpora" / "-dash")
    done = desk.run("../tools/new_recipe.sh lug_Latn -dash", cwd=desk.root / "corpora", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert load(desk.root / "egs" / "lug").as_given("data.dir") == "../../corpora/-dash"


def test_it_names_the_preset_and_the_upstream_that_it_takes(desk, tmp_path):
    done = desk.new(f"lug_Latn {table(tmp_path / 'c')}")
    assert "preset whisper_ed, upstream whisper_base" in done.stdout
    cfg = load(desk.root / "egs" / "lug")
    assert (cfg.features.upstream, cfg.train.family) == ("whisper_base", "whisper_ed")


def test_a_corpus_that_no_reader_knows(desk, tmp_path):
    folder = tmp_path / "c"
    for name in ("a.docx", "b.docx", "c.odt"):
        (folder / "x").mkdir(parents=True, exist_ok=True)
        (folder / "x" / name).touch()
    done = desk.new(f"lug_Latn {folder}")
    assert done.returncode == 2 and desk.made() == []
    assert "no reader knows this form. It has 2 .docx, 1 .odt. Looked for, in this order:" in done.stderr
    names = [line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")]
    assert names == [
        "kaldi",
        "lhotse",
        "commonvoice",
        "fleurs",
        "elan",
        "tuxpaint",
        "festvox",
        "fillets",
        "asterisk",
        "labels",
        "table",
    ]
    assert "corpus.tsv, whose first line is path, a tab, text" in done.stderr


def test_a_fault_of_the_data_keeps_the_recipe_and_says_how_to_go_on(desk, tmp_path):
    folder = kaldi(tmp_path / "c")
    (folder / "text").write_text("ana-00 a\nana-00 b\n")
    done = desk.new(f"lug_Latn {folder}")
    assert done.returncode == 2 and desk.made() == ["lug"]
    assert "text:2: duplicate id 'ana-00' (first on line 1)" in done.stderr
    assert done.stderr.rstrip().endswith("then continue with: egs/lug/run.sh --stop_stage check")
    shutil.rmtree(folder)
    kaldi(folder)
    assert desk.run("egs/lug/run.sh --stop_stage check nj=1").returncode == 0


def test_without_a_corpus_it_says_what_to_fill_in(desk):
    done = desk.new("srp_Cyrl")
    assert done.returncode == 0 and "fill in data.reader and data.dir in egs/srp/recipe.yaml" in done.stdout
    assert load(desk.root / "egs" / "srp").lang == "srp_Cyrl"


def test_the_environment_is_made_first(desk, tmp_path):
    desk.script("tools/install.sh", 'echo "install $*"; exit 2')
    done = desk.new(f"lug_Latn {table(tmp_path / 'c')}")
    assert (done.returncode, done.stdout) == (2, "install --quiet\n") and desk.made() == []


@pytest.mark.parametrize(
    "words", ["", "swh", "sw_Latn", "swh_latn", "swh-Latn", "../x_Latn", "lug_Latn /nowhere", "lug_Latn a b"]
)
def test_wrong_words_make_nothing_and_install_nothing(desk, words):
    desk.script("tools/install.sh", "echo install")
    done = desk.new(words)
    assert (done.returncode, done.stdout) == (2, "") and desk.made() == []
    assert done.stderr.startswith("new_recipe: ") and len(done.stderr.splitlines()) == 1


def test_recipe_that_exists_is_not_overwritten(desk, tmp_path):
    """Of a language that has one, the command for this corpus is told."""
    before = (desk.root / "egs" / "swh" / "recipe.yaml").read_text()
    done = desk.new(f"swh_Latn {table(tmp_path / 'c')}")
    assert done.returncode == 2
    command = f"egs/swh/run.sh data.reader=table data.dir={tmp_path / 'c'} tag=mine"
    assert f"egs/swh already exists; with this corpus: {command}" in done.stderr
    assert (desk.root / "egs" / "swh" / "recipe.yaml").read_text() == before
