"""How plainly a text reads: the school grade of Flesch and Kincaid (1975), for English."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE: Final = re.compile(r"[.!?]+(?:\s|$)")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_VOWELS: Final = re.compile(r"[aeiouy]+")


def syllables(word: str) -> int:
    """How many syllables a word has, by its groups of vowels and a silent e at its end; at least one."""
    bare = word.lower().replace("’", "'")
    bare = re.sub(r"(?<![aeiouyl])e$|(?<=[aeiouy])le$|'\w+$", "", bare) or bare
    if len(bare) > 3 and re.search(r"[^td]ed$", bare):
        bare = bare[:-2]
    return max(1, len(_VOWELS.findall(bare)))


def grade(text: str) -> float:
    """Years of school that reading it takes: 0.39 words a sentence + 11.8 syllables a word - 15.59; 0 for no words."""
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE.findall(text)))
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
