"""Prompts as Asterisk's packages have them: texts in one place, the voice's sounds in another."""

import gzip
from pathlib import Path

import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.asterisk import corrected, read, texts

SPANISH = """; Core Asterisk Sounds in Spanish

conf-hasjoin: Ya esta en la conferencia.
agent-pass: Por favor ingrese su contrasena seguida por la tecla de numero
beep: [tono simple]
digits/1: uno
digits/0: cero
digits/0: diez
digits/a-m: a.m.
letters/b: b
letters/at: arroba [@]
vm-tempgreetactive: Sus saludos [temporales] estan actualmente en uso
demo-moreinfo: Visite www.asterisk.org
demo-key: Pulse * para salir
silence/2: (2 segundos)
no-sound: Nada.
"""
KEYS = """conf-hasjoin agent-pass beep digits/1 digits/0 digits/a-m letters/b letters/at vm-tempgreetactive
    demo-moreinfo demo-key silence/2 no-text"""


def prompts(folder: Path, text: str = SPANISH) -> Path:
    """What two Debian packages hold, in one folder."""
    doc = folder / "usr/share/doc/asterisk-core-sounds-es/core-sounds-es.txt.gz"
    doc.parent.mkdir(parents=True)
    doc.write_bytes(gzip.compress(text.encode()))
    for number, key in enumerate(KEYS.split()):
        path = folder / f"usr/share/asterisk/sounds/es_MX_f_Allison/{key}.wav"
        tone(path, hz=200.0 + 20 * number, rate=8000)
    return folder


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=asterisk", "lang=spa_Latn", f"data.dir={place}", *settings))


def test_prompts_with_their_accents(recipe, tmp_path):
    utts = {utt.content: utt for utt in of(recipe, prompts(tmp_path / "p")).utterances}
    assert {name: utt.text for name, utt in utts.items()} == {
        "asterisk/conf-hasjoin": "ya está en la conferencia.",
        "asterisk/agent-pass": "Por favor ingrese su contraseña seguida por la tecla de número",
        "asterisk/digits/1": "uno",
        "asterisk/letters/at": "arroba",
    }
    one = utts["asterisk/digits/1"]
    assert (one.id, one.speaker, one.tags, one.split) == (
        "asterisk_es_MX_f_Allison-digits_1",
        "asterisk_es_MX_f_Allison",
        {"accent": "MX"},
        None,
    )
    assert one.audio.name == "1.wav"


def test_what_is_left_out_is_listed(recipe, tmp_path):
    found = of(recipe, prompts(tmp_path / "p")).left_out
    assert {why: [utt.split("-", 1)[1] for utt in ids] for why, ids in found.items()} == {
        "no speech": ["beep", "silence_2"],
        "one clip, several texts": ["digits_0"],
        "not as it is said": ["digits_a-m", "letters_b", "vm-tempgreetactive", "demo-moreinfo", "demo-key"],
        "text without audio": ["no-sound"],
        "audio without text": ["no-text"],
    }


def test_texts_beside_the_sounds(recipe, tmp_path):
    """As in Asterisk's own tarballs: no folder of the voice."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core/core-sounds-ru.txt").write_text("activated: Активировано\nat: at\n", encoding="utf-8")
    tone(tmp_path / "core/activated.wav", rate=8000)
    tone(tmp_path / "core/at.wav", rate=8000, hz=300)
    corpus = of(recipe, tmp_path / "core", "lang=rus_Cyrl")
    assert [(u.id, u.text, u.tags) for u in corpus.utterances] == [
        ("asterisk_ru-activated", "Активировано", {})
    ]
    assert corpus.left_out == {"not as it is said": ["asterisk_ru-at"]}


def test_wideband_where_there_is_nothing_else(recipe, tmp_path):
    """G.722 has no header: four bytes are eight samples."""
    (tmp_path / "core-sounds-es.txt").write_text("uno: uno\ndos: dos\n", encoding="utf-8")
    tone(tmp_path / "uno.wav", rate=8000)
    for name in ("uno", "dos"):
        (tmp_path / f"{name}.g722").write_bytes(bytes(4))
    found = {utt.text: utt.audio.name for utt in of(recipe, tmp_path).utterances}
    assert found == {"uno": "uno.wav", "dos": "dos.g722"}


def test_forms_without_a_header_and_a_second_package_of_texts(recipe, tmp_path):
    """Wide before narrow, where there is no .wav."""
    for name, key in (("core", "uno"), ("extra", "dos")):
        (tmp_path / f"{name}-sounds-es.txt").write_text(f"{key}: {key}\n", encoding="utf-8")
    for name in ("uno.gsm", "uno.sln16", "dos.ulaw"):
        (tmp_path / name).write_bytes(bytes(33))
    found = {utt.text: utt.audio.name for utt in of(recipe, tmp_path).utterances}
    assert found == {"uno": "uno.sln16", "dos": "dos.ulaw"}


def test_a_language_without_two_letters(recipe, tmp_path):
    with raises(DataError, "ISO 639-1", "data.reader=table", where="lang=ast_Latn"):
        of(recipe, tmp_path, "lang=ast_Latn")


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("Número mas de", "es", "Número más de"),
        ("no esta libre, sin embargo aun", "es", "no está libre, sin embargo aún"),
        ("Sinumero", "es", "Sinumero"),
        ("Vous n'etes pas en mode, l'arrivé.", "fr", "Vous n'êtes pas en mode, l'arrivé."),
        ("Что бы выйти, нажмите решетку еще раз.", "ru", "чтобы выйти, нажмите решётку ещё раз."),
        ("Qualcosa ? terribilmente sbagliato", "it", "qualcosa è terribilmente sbagliato"),
        ("un suono beep di errore", "it", ""),
        ("Please enter your numero.", "en", "Please enter your numero."),
    ],
)
def test_spelling(text, lang, expected):
    assert corrected(text, lang) == expected


def test_a_line_of_another_form(tmp_path):
    path = tmp_path / "core-sounds-es.txt"
    path.write_text("a: uno\nb dos\n", encoding="utf-8")
    with raises(DataError, "b dos", where="core-sounds-es.txt:2"):
        texts(path)
    damaged = tmp_path / "core-sounds-es.txt.gz"
    damaged.write_bytes(gzip.compress(b"a: uno\n")[:-9])
    with raises(DataError, where="core-sounds-es.txt.gz"):
        texts(damaged)
    path.write_bytes("a: número\n".encode("latin-1"))
    with raises(DataError, where="core-sounds-es.txt"):
        texts(path)


def test_no_prompts(recipe, tmp_path):
    with raises(DataError, "core-sounds-fr.txt", where="p"):
        of(recipe, prompts(tmp_path / "p"), "lang=fra_Latn")
    with raises(DataError, "data.dir", where="lang=ron_Latn"):
        read(recipe.cfg("data.reader=asterisk"))
    (tmp_path / "only").mkdir()
    (tmp_path / "only/core-sounds-es.txt").write_text("a: uno\n", encoding="utf-8")
    with raises(DataError, ".wav", where="only"):
        of(recipe, tmp_path / "only")
