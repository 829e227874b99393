"""Listed names: a screening list, as the document that is kept of it, and the parties that are on it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import msgspec
import uuid_utils
from typeid import TypeID

from shared.journal.record import canonical
from shared.terms.matching import LONG_WORD, Match, Words, distinctive, key_of, letters_of, match, words_of

MAX_ENTRIES = 50_000
MAX_ALIASES = 100
MAX_NAME = 500
REMEMBERED_NAMES = 10_000
MAX_HITS = 200  # that one event names

type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]


class ListError(ValueError):
    """A list that cannot be searched. `field`: a JSON pointer."""

    def __init__(self, code: str, detail: str, field: str, accepted: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.accepted = accepted


class ListedEntity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A legal entity. `entry` names it within its list, from one version to the next."""

    entry: Annotated[str, msgspec.Meta(pattern="^[!-~]{1,60}$")]
    name: Name
    aliases: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_ALIASES)] = ()
    source: Name  # who says so: "Entity List, 89 FR 96830"
    listed_on: date


class ScreeningListFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a version, under the SHA-256 of its canonical bytes. Entries in the order of their names within the list."""

    format: Literal["reserve.screening_list.v1"] = "reserve.screening_list.v1"
    list: str
    entries: tuple[ListedEntity, ...]


class Found(NamedTuple):
    """An entry that a party's name is like."""

    entry: ListedEntity
    match: Match


class PartyHit(NamedTuple):
    """The name of a party is like one on a list. `hit` is the same for as long as the party, the entry and what the entry says are."""

    hit: str
    role: str
    list: str
    entry: str
    match: Match


class ListedNames:
    """A version of a list, to be searched. Made once; a search looks at the names that share a distinctive word, or nearly."""

    def __init__(self, entries: Sequence[ListedEntity]) -> None:
        """Raises `ListError`."""
        if len(entries) > MAX_ENTRIES:
            raise ListError("list_too_large", f"{len(entries)} entries", "/entries", f"up to {MAX_ENTRIES}")
        self.entries = {entry.entry: entry for entry in entries}
        if len(self.entries) < len(entries):
            twice = next(entry.entry for place, entry in enumerate(entries) if self.entries[entry.entry] is not entries[place])
            raise ListError("list_entry_twice", f"{twice} comes twice", "/entries", "each entry once")
        self._names: list[tuple[str, Words]] = []  # (entry, one of its names)
        self._by_key: dict[str, list[int]] = {}
        self._by_letters: dict[str, list[int]] = {}
        self._by_word: dict[str, list[int]] = {}
        self._alone: dict[str, list[int]] = {}  # names of which it is the only distinctive word
        self._distinctive: list[int] = []  # how many distinctive words each name has
        self._found: dict[str, tuple[Found, ...]] = {}  # the same parties are named again and again
        self._spellings: dict[str, set[str]] = {}  # a word with a letter less -> the words that it may be
        for place, entry in enumerate(entries):
            for name in (entry.name, *entry.aliases):
                self._add(entry.entry, words_of(name), f"/entries/{place}")
        for word in self._by_word:
            for spelling in _with_a_letter_less(word):
                self._spellings.setdefault(spelling, set()).add(word)

    def _add(self, entry: str, words: Words, field: str) -> None:
        if not words:
            raise ListError("list_name_empty", "a name has no letter", field, "names with letters")
        place = len(self._names)
        self._names.append((entry, words))
        self._by_key.setdefault(key_of(words), []).append(place)
        for letters in letters_of(words):
            self._by_letters.setdefault(letters, []).append(place)
        told = distinctive(words)
        self._distinctive.append(len(told))
        if len(told) == 1:
            self._alone.setdefault(told[0], []).append(place)
        for word in set(told):
            self._by_word.setdefault(word, []).append(place)

    def find(self, name: str) -> tuple[Found, ...]:
        """The entries that the name is like, by entry; an exact match counts before a near one."""
        if (found := self._found.get(name)) is None:
            if len(self._found) >= REMEMBERED_NAMES:
                self._found.clear()
            found = self._found[name] = self._search(name)
        return found

    def _search(self, name: str) -> tuple[Found, ...]:
        words = words_of(name)
        found: dict[str, Match] = {}
        for place in sorted(self._candidates(words)):
            entry, listed = self._names[place]
            if found.get(entry) != "exact" and (like := match(words, listed)) is not None:
                found[entry] = like
        return tuple(Found(self.entries[entry], found[entry]) for entry in sorted(found))

    def _candidates(self, words: Words) -> set[int]:
        """Names that may match: enough of the distinctive words are found in them. The word that most names have is looked up only if it is
        the only one on either side: any other name is found by its other words."""
        places = set(self._by_key.get(key_of(words), ()))
        for letters in letters_of(words):
            places.update(self._by_letters.get(letters, ()))
        likes = sorted((self._like(word) for word in distinctive(words)), key=lambda like: sum(len(self._by_word[each]) for each in like))
        *rare, frequent = likes
        shared = Counter[int]()
        for like in rare:
            shared.update({place for listed in like for place in self._by_word[listed]})
        places.update(place for place, count in shared.items() if count + 1 >= min(len(likes), self._distinctive[place]))
        found = self._alone if rare else self._by_word
        places.update(place for listed in frequent for place in found.get(listed, ()))
        return places

    def _like(self, word: str) -> set[str]:
        like = {word} & self._by_word.keys()
        for spelling in (word, *_with_a_letter_less(word)):
            like |= self._spellings.get(spelling, set())
            like |= {spelling} & self._by_word.keys()
        return like


def hits_of[Role: str, Name: str](subject: str, parties: Mapping[Role, str], lists: Mapping[Name, ListedNames]) -> list[PartyHit]:
    """What the lists have of the parties (role -> name) of a request or a consignee, exact ones first."""
    hits = [
        PartyHit(hit_id(subject, role, name, found.entry), role, name, found.entry.entry, found.match)
        for role, party in parties.items()
        for name, names in lists.items()
        for found in names.find(party)
    ]
    return sorted(hits, key=lambda hit: (hit.match, hit.list, hit.entry, hit.role))


def hit_id(subject: str, role: str, list: str, entry: ListedEntity) -> str:
    """The same for as long as the entry says the same, so that what a person has cleared stays cleared in the list's next version."""
    digest = sha256(canonical([subject, role, list, msgspec.to_builtins(entry)])).digest()
    return str(TypeID.from_uuid(uuid_utils.UUID(bytes=digest[:16], version=8), "hit"))


def _with_a_letter_less(word: str) -> Iterator[str]:
    """Two long words that are one letter off have one of these in common, or are one themselves."""
    if len(word) >= LONG_WORD:
        yield from {word[:place] + word[place + 1 :] for place in range(len(word))}
