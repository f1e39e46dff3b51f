"""What the columns of somebody's table mean: by their names, in many languages, or by the setting
data.columns.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable

from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora.sounds import SUFFIXES

_WORDS = {
    "path": (
        """path file audio wav filename filepath audiofile audiopath audiofilepath audiofilename wavfile
        wavpath wavfilename wavname wavfilepath clip clippath clipname recording recordingfile sound
        soundfile mp3 flac media mediafile fitxer arxiu àudio gravació archivo audioarchivo
        archivodeaudio fichero grabación arquivo
        áudio arquivodeáudio ficheiro gravação fichier fichieraudio cheminaudio enregistrement datei
        dateiname audiodatei tondatei aufnahme bestand bestandsnaam opname fil filnamn filnavn lydfil
        ljudfil tiedosto tiedostonimi äänite plik nagranie soubor súbor nahrávka fájl fișier fisier înregistrare
        dosya dosyaadı ses sesdosyası fayl faili sauti rekodi berkas namaberkas rekaman tệp âmthanh файл
        имяфайла аудио аудиофайл запись звук файлы αρχείο ήχος קובץ שמע ملف ملفصوتي صوت فایل پرونده صدا فائل
        آواز फ़ाइल फाइल ऑडियो ध्वनि ফাইল அடியோ ஒலி ፋይል ድምጽ ფაილი აუდიო 文件 文件名 音频 音频文件 语音 檔案 檔名
        音訊 ファイル ファイル名
        音声 音声ファイル 파일 파일명 음성 오디오 ไฟล์ เสียง"""
    ),
    "text": (
        """text sentence transcript transcription transcripts transcriptions utterance words rawtext
        rawtranscription texto frase oració transcripció oración oracion transcripción transcripcion enunciado transcrição
        transcricao sentença texte phrase énoncé enonce satz äußerung transkript transkription transkriptio
        tekst zin transcriptie mening setning sætning teksti lause virke zdanie transkrypcja věta veta
        přepis prepis szöveg mondat propoziție propozitie transcriere metin cümle tümce deşifre transkripsiyon mətn
        matn matini maandishi sentensi nakala teks kalimat transkripsi vănbản câu rubutu jumla текст
        предложение транскрипция фраза расшифровка речення сказ мәтін κείμενο πρόταση απομαγνητοφώνηση טקסט
        משפט تעתיק نص النص جملة متن جمله متنخام جملہ पाठ वाक्य मजकूर বাক্য পাঠ உரை వాక్యం ጽሑፍ ዓረፍተነገር ტექსტი
        წინადადება 文本 文字 句子 转写 转录 文字稿 轉寫 テキスト 文 文章 書き起こし 텍스트 문장 전사 ข้อความ ประโยค"""
    ),
    "speaker": (
        """speaker spk spkr speakerid spkid spkrid speakername clientid reader readerid voice voiceid talker
        participant parlant hablante locutor locutora informante falante locuteur locutrice sprecher sprecherin
        sprecherid spreker talare taler puhuja mówca mluvčí hovoriaci rečník beszélő vorbitor konuşmacı konuşan danışan
        msemaji mzungumzaji penutur pembicara ngườinói диктор говорящий спикер дикторid мовець говорител
        ομιλητής דובר متحدث المتحدث گوینده वक्ता বক্তা பேச்சாளர் ተናጋሪ მოსაუბრე 说话人 發言者 说话者 話者 화자 ผู้พูด"""
    ),
    "split": (
        """split set subset partition datasplit part conjunto partición particion partição division ensemble
        teilmenge küme bölüm zbiór набор выборка 数据集 划分 分割 분할 مجموعة"""
    ),
    "start": (
        """start starttime starts startsec startseconds begin begintime onset offset tmin startms beginms
        onsetms inicio início début debut beginn anfang von başlangıç baslangic начало початок mwanzo mulai
        začátek počátek začiatok początek kezdet kezdete început inceput αρχή alku början 开始 開始 시작
        بداية शुरुआत"""
    ),
    "end": (
        """end endtime ends endsec endseconds stop stoptime tmax endms stopms fin fim ende bis bitiş bitis son
        конец кінець край konec koniec vége vege sfârșit sfarsit τέλος loppu slut einde mwisho selesai 结束 終了 끝 نهاية अंत"""
    ),
    "duration": (
        """duration durationsec durationseconds dur durations durationms duración duração durée dauer süre
        длительность 时长"""
    ),
    "language": (
        """language lang locale langid languageid langcode languagecode idioma lengua língua langue sprache
        taal språk sprog kieli język jazyk nyelv limbă dil lugha bahasa язык мова γλώσσα שפה لغة اللغة زبان
        भाषा ভাষা மொழி ቋንቋ ენა 语言 語言 言語 언어 ภาษา ngônngữ"""
    ),
    "channel": (
        "channel channels chan channelid channelno channelnumber audiochannel kanal canal canale voie piste канал"
        " 声道 チャンネル 채널 قناة"
    ),
    "id": "id uttid utteranceid utt uid key segmentid clipid",
    "content": "content contentid promptid sentenceid textid",
    "confirmed": "confirmed",
}
ROLES = tuple(_WORDS)


def plain(name: str) -> str:
    """A column's name without case, spaces and signs: ``Audio_File `` is ``audiofile``."""
    return re.sub(r"[\s_\-.:#()/\[\]*\"']+", "", unicodedata.normalize("NFKC", name).casefold())


_ROLE_OF = {plain(word): role for role, words in _WORDS.items() for word in words.split()}


def role_of(name: str) -> str | None:
    """What a column of that name is, as words in many languages have it: ``Datei`` is the path; or None. Of a
    question in a group, as KoboToolbox writes it, ``group/speaker``, the last word counts.
    """
    group, _, last = name.rpartition("/")
    return _ROLE_OF.get(plain(name)) or (_ROLE_OF.get(plain(last)) if group and " " not in name else None)


def is_sound(value: str, names_sound: Callable[[str], int]) -> bool:
    """Whether a value names a sound file, one that is not there, too."""
    return names_sound(value) > 0 or os.path.splitext(value.strip())[1].lower() in SUFFIXES


def check_setting(given: dict) -> None:
    """ConfigError unless ``data.columns`` maps roles to names or to numbers."""
    for role, name in given.items():
        if role not in ROLES:
            close = difflib.get_close_matches(str(role), ROLES, n=1)
            raise ConfigError(
                f"data.columns: there is no {role!r}; there are {', '.join(ROLES)}"
                + (f"; did you mean {close[0]}?" if close else "")
            )
        if (
            isinstance(name, bool)
            or not isinstance(name, str | int | None)
            or (isinstance(name, int) and name < 1)
        ):
            raise ConfigError(
                f"data.columns: {role}: found {name!r}, expected a column's name, its number from 1 in a"
                " table without header, or null for none"
            )
    numbers = [role for role, name in given.items() if isinstance(name, int)]
    if numbers and len(numbers) != sum(name is not None for name in given.values()):
        raise ConfigError("data.columns: has names and numbers; a table has a header, or it has none")


def candidates(columns: list[str], given: dict, where: str) -> dict[str, list[str]]:
    """``{role: columns that may have it}``: the one that ``given`` (data.columns) names, or those whose names
    say so.

    DataError if a column that is named is not there.
    """
    by_name = {plain(name): name for name in columns}
    found: dict[str, list[str]] = {}
    for role in ROLES:
        if role in given:
            name = given[role]
            column = str(name) if str(name) in columns else by_name.get(plain(str(name)))
            if name is not None and column is None:
                raise DataError(
                    f"{where}: has no column {name!r} (data.columns: {role}); {list_columns(columns)}"
                )
            found[role] = [] if name is None or column is None else [column]
    taken = {column for own in found.values() for column in own}
    for role in ROLES:
        if role not in found:
            found[role] = [name for name in columns if name not in taken and role_of(name) == role]
    return found


def list_columns(columns: list[str]) -> str:
    """``its columns are 'a', 'b'``."""
    return f"its columns are {', '.join(map(repr, columns[:30]))}" + (" …" if len(columns) > 30 else "")


def in_milliseconds(column: str) -> bool:
    """Whether a column of times says so in its name, as ``start_ms``."""
    return re.search(r"(ms|msec|millis|milliseconds)$", plain(column)) is not None
