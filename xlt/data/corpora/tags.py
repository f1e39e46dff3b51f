"""Which further columns of a table sort its rows into a few kinds, such as accents, and may be published in
tables of scores: no notes, no numbers, no names of people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from xlt.data.subsets import KNOWN

MOST = 10  # different values; more are no kinds
_LONGEST = 40  # characters of a value, and
_MOST_WORDS = 5  # its words; more are sentences
_PRIVATE = """note notes notiz notizen bemerkung bemerkungen kommentar comment comments comentario
    comentarios commentaire commentaires comentari remark remarks remarque remarques
    observación observacion observaciones observação opmerking opmerkingen anmerkung
    anmerkungen nota notas note notatka uwagi uwaga poznámka poznamka poznámky poznamky
    megjegyzés примечание примечания комментарий заметка заметки бележка σημείωση σχόλιο
    notat merknad anteckning kommentti huomautus catatan maelezo ملاحظة ملاحظات یادداشت
    टिप्पणी 备注 注释 備考 メモ 비고 private privat privé internal intern todo fixme name
    names fullname firstname lastname surname vorname nachname nom prénom prenom nombre
    apellido nome cognome sobrenome imię nazwisko jméno příjmení navn namn nimi név nume имя
    фамилия ім'я όνομα isim ad soyad nama jina tên اسم نام नाम 名前 姓名 이름 annotator
    annotators transcriber transcribed transcribedby annotatedby checkedby checker recorder
    recordedby interviewer collector researcher linguist contact email mail telephone phone
    phonenumber tel telefon address adresse birth birthday birthdate dob date datum fecha
    data url link""".split()
_WORD = re.compile(r"[\W_]+")


def _plain(name: str) -> str:
    return _WORD.sub("", unicodedata.normalize("NFKC", name).casefold())


_PRIVATE_WORDS = {_plain(word) for word in _PRIVATE}


def is_private(column: str) -> bool:
    """Whether a column's name says notes, people or contacts, which are nobody else's business.

    >>> is_private("Poznámka"), is_private("Note 2"), is_private("accent")
    (True, True, False)
    """
    words = [_plain(word) for word in _WORD.split(unicodedata.normalize("NFKC", column)) if word]
    whole = _plain(column).rstrip("0123456789")
    return whole in _PRIVATE_WORDS or any(word in _PRIVATE_WORDS for word in words)


def kinds(column: str, values: Sequence[str]) -> bool:
    """Whether the values of a column are a few kinds that rows share, as its name does not deny."""
    different = set(values)
    if is_private(column) or not 2 <= len(different) <= min(MOST, len(values) // 2):
        return False
    if any(len(value) > _LONGEST or len(value.split()) > _MOST_WORDS for value in different):
        return False
    return not all(re.fullmatch(r"[-+]?[\d.,:/\s]+%?", value) for value in different)


def tags(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """``{tag: column}`` of those columns, given with their values, that may be tags."""
    found: dict[str, str] = {}
    for column, values in columns.items():
        tag = re.sub(r"\W+", "_", column.strip().casefold(), flags=re.ASCII).strip("_")
        own = [value.strip() for value in values if value.strip()]
        if tag and f"utt2{tag}" not in KNOWN and tag not in found and kinds(column, own):
            found[tag] = column
    return found
