"""Names of parties: what is the same name, what is nearly, and that a list's index finds what comparing one by one finds."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.terms.listed_names import ListedEntity, ListedNames, ListError
from shared.terms.matching import match, one_off, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHENGHE Resources Co., Ltd.", "Shenghe Resources"),
        ("Resources Shenghe", "Shenghe Resources Limited"),
        ("Société Générale S.A.", "societe generale"),
        ("株式会社双日", "双日 株式会社"),
        ("ООО «Ромашка»", "ромашка"),
        ("Müller GmbH & Co. KG", "MULLER"),
        ("The Bank of Kyushu", "Bank Kyushu"),
        ("Ørsted A/S", "orsted"),
        ("Ｓｏｊｉｔｚ", "Sojitz"),
        ("China Rare-Earth Group", "china rare earth group inc"),
    ],
)
def test_case_accents_forms_punctuation_and_order_make_no_other_name(one: str, other: str):
    assert match(words_of(one), words_of(other)) == "exact"


@pytest.mark.parametrize(
    "disguised",
    [
        "Norin\u200bco",  # read as words, the second would be a form of company, and leave "Norin"
        "Nor\u00adin\u2060co",
        "\u202enorinco",
        "No\u034frin\ufe0fco",
        "Norin\U000e0063co",  # a tag
        "N\u043erinc\u043e",  # Cyrillic o
        "N\u039fRINCO",  # Greek capital omicron
    ],
)
def test_a_name_is_read_as_a_reader_sees_it(disguised: str):
    assert match(words_of(disguised), words_of("NORINCO")) == "exact"


def test_a_name_in_one_script_stays_in_it():
    assert words_of("Ромашка") == ("ромашка",)
    assert match(words_of("Сор"), words_of("Cop")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sojitz", "Sojits"),  # another letter
        ("Sojitz", "Sojtiz"),  # neighbours swapped
        ("Shenghe", "Shengghe"),  # a letter more
        ("Müller Metall", "Mueller Metall"),
        ("Nor Inco", "Norinco"),
        ("Nor Inco International", "Norinco"),
        ("Gold Metal", "Goldmetal"),
        ("Norinco", "China Norinco International"),
        ("Shenghe Resources", "Shenghe Mining"),  # what many names have tells none of them
    ],
)
def test_a_letter_a_space_or_a_common_word_makes_a_near_name(one: str, other: str):
    assert match(words_of(one), words_of(other)) == match(words_of(other), words_of(one)) == "near"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kyushu Smelting", "Kyushu Refining"),
        ("Global Trading", "International Trading"),
        ("ABC Metals", "ABC Trading"),  # too short to tell anything
        ("Lynas", "Ly"),
        ("Abcd", "Abce"),  # a short word must be the same
        ("Sojitz", "Sojzti"),  # two letters off
        ("...", "Sojitz"),
        ("Harima Works", "Harima Harima Tools"),
    ],
)
def test_other_names_are_other_names(one: str, other: str):
    assert match(words_of(one), words_of(other)) is None


def test_one_word_does_not_stand_for_two():
    assert match(words_of("Harima Harima"), words_of("Harima Osaka")) is None
    assert match(words_of("Harima Harimo"), words_of("Harimo Tools Harima")) == "near"


LETTERS = st.text("ab", min_size=4, max_size=7)


@given(LETTERS, LETTERS)
def test_one_letter_off_is_what_its_words_say(one: str, other: str):
    spellings = {one}
    if len(one) >= 5:
        spellings |= {one[:at] + one[at + 1 :] for at in range(len(one))}
        spellings |= {one[:at] + letter + one[at + 1 :] for at in range(len(one)) for letter in "ab"}
        spellings |= {one[:at] + one[at + 1] + one[at] + one[at + 2 :] for at in range(len(one) - 1)}
    if min(len(one), len(other)) >= 5:
        spellings |= {one[:at] + letter + one[at:] for at in range(len(one) + 1) for letter in "ab"}
    if len(other) < 5:
        spellings &= {one}
    assert one_off(one, other) == one_off(other, one) == (other in spellings)


def entry(name: str, number: int = 1, *aliases: str) -> ListedEntity:
    return ListedEntity(entry=f"e{number}", name=name, aliases=aliases, source="an example", listed_on=date(2026, 1, 6))


NAMES = st.lists(
    st.sampled_from(["kyushu", "kyuhsu", "kyush", "metals", "global", "abc", "abd", "harima", "harimas", "hari", "ma", "co"]), min_size=1
)


@settings(max_examples=300)
@given(st.lists(NAMES.map(" ".join), min_size=1, max_size=8), NAMES.map(" ".join))
def test_an_index_finds_what_comparing_with_each_name_finds(listed: list[str], name: str):
    names = ListedNames([entry(each, number) for number, each in enumerate(listed)])
    one_by_one = {(f"e{number}", like) for number, each in enumerate(listed) if (like := match(words_of(name), words_of(each))) is not None}
    assert {(found.entry.entry, found.match) for found in names.find(name)} == one_by_one


def test_an_alias_is_as_good_as_a_name_and_an_exact_match_counts_first():
    names = ListedNames([entry("Norinco", 1, "China North Industries", "Nor Inco"), entry("Unheard", 2)])
    assert [(found.entry.entry, found.match) for found in names.find("North Industries China Ltd")] == [("e1", "exact")]
    assert [(found.entry.entry, found.match) for found in names.find("NORINCO")] == [("e1", "exact")]
    assert names.find("Kyushu Smelting") == ()


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([entry("Norinco"), entry("Another")], "list_entry_twice"),
        ([entry("- -")], "list_name_empty"),
        ([entry("A", 1, "!")], "list_name_empty"),
    ],
)
def test_a_list_that_cannot_be_searched_is_refused(entries: list[ListedEntity], code: str):
    with pytest.raises(ListError) as refused:
        ListedNames(entries)
    assert refused.value.code == code
