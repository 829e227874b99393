"""Names of parties, as they are compared: a list has "SHENGHE Resources Holding Co., Ltd.", and a request "Shenghe Resources".

The rule is fixed, so that everyone finds the same, and the audit finds it again: docs/screening.md says it in words. It compares letters,
not sounds, and turns no script into another, except within a word: a list that matters has the spellings of a name among its aliases.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

type Match = Literal["exact", "near"]
type Words = tuple[str, ...]  # in the order in which they were written

VERSION = 1  # of the rule: what is written here goes into the event, so a rule that finds something else gets another
LEAST_LETTERS = 4  # of what is distinctive in a name: less is near to too much
LONG_WORD = 5  # letters from which a word may be one letter off


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# Forms of companies, as they stand at the end of a name or at its beginning.
FORMS = _set(
    "ab ad ag aktiengesellschaft ao as asa bhd bv co company corp corporation doo eood gmbh inc incorporated jsc kabushiki",
    "kaisha kft kg kk limited llc llp lp ltd ltda mbh mchj nv oao ohg ojsc ooo oy oyj pao pjsc plc pt pte pty pvt sa sarl sas",
    "sdn se spa spzoo srl sro tbk tov yk zao zrt ао ап зао оао ооо пао тоо 有 株",
)
FORMS_WITHOUT_SPACES = ("股份有限公司", "有限责任公司", "有限責任公司", "有限公司", "株式会社", "有限会社", "合同会社", "주식회사")
CONNECTIVES = frozenset({"and", "of", "the"})
COMMON = _set(
    "asia chemical chemicals china commercial company development east enterprise enterprises export exports general global",
    "group holding holdings import imports industrial industries industry international investment investments japan korea",
    "logistics material materials metal metals mineral minerals mining national new north pacific resource resources russia",
    "services south supply technologies technology trade traders trading west world",
)
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0") | {
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}  # with the category Cf, what Unicode calls ignorable by default
_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕһαβεζηικμνορτυχ", "abekmhopctyxijshabezhikmnoptyx")  # small or capital, they look the same
_WITHOUT_MARKS = {"æ": "ae", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ø": "o", "œ": "oe", "þ": "th"}


def words_of(name: str) -> Words:
    """What is left of a name without case, accents, punctuation, connectives and forms of companies. Nothing only if it has no letter."""
    shown = "".join(letter for letter in unicodedata.normalize("NFKC", name) if not _unseen(letter))
    text = "".join(_plain(letter) for letter in shown.casefold())
    for form in FORMS_WITHOUT_SPACES:
        text = text.replace(form, " ")
    text = re.sub(r"\b\w(?:[./]\w)+\b", lambda initials: re.sub(r"[./]", "", initials[0]), text)  # "s.p.a." is one word, "a/s" too
    words = [_in_one_script(word) for word in re.split(r"[\W_]+", re.sub(r"['\u2018\u2019`]", "", text)) if word]
    kept = [word for word in words if word not in CONNECTIVES] or words
    while len(kept) > 1 and kept[-1] in FORMS:
        kept.pop()
    while len(kept) > 1 and kept[0] in FORMS:
        kept.pop(0)
    return tuple(kept)


def key_of(words: Words) -> str:
    """The same for names that differ in the order of their words alone."""
    return " ".join(sorted(words))


def distinctive(words: Words) -> Words:
    """The words that tell a name from others; all of them if none does."""
    return tuple(word for word in words if word not in COMMON) or words


def letters_of(words: Words) -> set[str]:
    """A name without its spaces: of all its words, and of the distinctive ones if these are not too short to tell anything."""
    told = "".join(distinctive(words))
    return {"".join(words), told} if len(told) >= LEAST_LETTERS else {"".join(words)}


def match(one: Words, other: Words) -> Match | None:
    """How like two names are; None: they are not.

    exact: the same words, in any order. near: the same letters if spaces are left out, of all words or the distinctive ones; or each
    distinctive word of the name that has fewer of them has a word of its own among the other's that is the same or, in long words, one
    letter off.
    """
    if not one or not other:
        return None
    if key_of(one) == key_of(other):
        return "exact"
    if not letters_of(one).isdisjoint(letters_of(other)):
        return "near"
    few, many = sorted((distinctive(one), distinctive(other)), key=len)
    if sum(map(len, few)) < LEAST_LETTERS:
        return None
    return "near" if _paired(few, many) else None


def one_off(one: str, other: str) -> bool:
    """Whether both words are long, and one letter was left out, put in or changed, or two neighbours were swapped; or they are the same."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < LONG_WORD or len(long) - len(short) > 1:
        return False
    at = next((place for place, (left, right) in enumerate(zip(short, long, strict=False)) if left != right), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or (short[at + 2 :] == long[at + 2 :] and short[at : at + 2] == long[at : at + 2][::-1])


def _paired(few: Sequence[str], many: Sequence[str]) -> bool:
    """Whether each of the few can have one of the many for itself."""
    taken: dict[int, int] = {}  # of the many -> of the few

    def pair(place: int, tried: set[int]) -> bool:
        for partner, word in enumerate(many):
            if partner not in tried and one_off(few[place], word):
                tried.add(partner)
                if partner not in taken or pair(taken[partner], tried):
                    taken[partner] = place
                    return True
        return False

    return all(pair(place, set()) for place in range(len(few)))


def _in_one_script(word: str) -> str:
    """A word of Latin letters with Cyrillic or Greek ones among them is meant to be read as Latin."""
    return word.translate(_LOOK_ALIKES) if re.search("[a-z]", word) else word


@cache
def _unseen(letter: str) -> bool:
    """What no reader sees: joiners, marks of direction, soft hyphens, selectors of variants, fillers. It would part a word in two."""
    return unicodedata.category(letter) == "Cf" or letter in _FILLERS


@cache
def _plain(letter: str) -> str:
    """A Latin, Greek or Cyrillic letter without its marks. In other scripts the marks make another sound of it: they stay."""
    if letter in _WITHOUT_MARKS:
        return _WITHOUT_MARKS[letter]
    if letter < "\u0530" or "\u1e00" <= letter <= "\u1fff":
        return "".join(part for part in unicodedata.normalize("NFD", letter) if not unicodedata.combining(part))
    return letter
