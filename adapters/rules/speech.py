"""Speech made readable: transcripts hold noises, stutters and loose punctuation that a rule should not have to know.

Every pattern is linear or bounded: a transcript chunk may be the work of someone who wants to keep the planner busy.
"""

import re

from adapters.rules.english import NUMBER_WORD

SENTENCE_CHARS_MAX = 600
"""Speech without full stops is cut into pieces of this size, at a word."""

_BROKEN_OFF = re.compile(r"\{disfmarker\}|\.\.\.|…")
_NOISE = re.compile(r"\{[a-z_]{1,20}\}|\[[A-Za-z_ ]{1,30}\]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SPELLED = re.compile(r"\b((?:[A-Z]_){1,10})(?![A-Za-z0-9])")
_FILLER = re.compile(
    r"(?<![\w'-])(?<!\d )"  # "5 mm" is a length
    r"(?:um+|uh+m?|uh-huh|erm?|eh|h?m{2,9}|mm-hmm)(?![\w'-])(?: ?,)?",
    re.IGNORECASE,
)
_LOOSE = re.compile(r" ([,.;:?!]{1,3})(?= |$)")
_DOUBLED = re.compile(r"([,.;:?!])(?: ?[,.](?= |$|[,.])){1,20}")
_DASHED = re.compile(r" ?(?:, ?){0,3}–(?: ?[,–]){0,20}")
_FRAGMENT = re.compile(r"(?<![\w'-])(?:([bcdfghjklmnpqrstvwxz]{1,3}) (?=\1[a-z])|th )")
_WORDS = rf"(?!{NUMBER_WORD})[^\W\d][\w']*+(?: [^\W\d][\w']*+){{0,3}}?"  # a number said twice is meant twice
_STUTTER = re.compile(rf"(?<![\w'])({_WORDS})(?:,? \1(?![\w']))++", re.IGNORECASE)
_RESTART = re.compile(r"(?<![\w'])([^\W\d]++),? (?=\1')", re.IGNORECASE)
_LEADING = re.compile(r"^[ ,.;:?!–]++")
_SENTENCE_END = re.compile(r"(?<=[.?!]) ")
_PIECE = re.compile(rf"\S.{{0,{SENTENCE_CHARS_MAX - 1}}}(?= |$)|\S{{1,{SENTENCE_CHARS_MAX}}}")


def sentences(text: str) -> list[str]:
    """The sentences of the text, cleaned, each of 1 to SENTENCE_CHARS_MAX characters. A line's end ends a sentence."""
    found = (sentence for line in text.splitlines() for sentence in _SENTENCE_END.split(clean(line)))
    return [piece for sentence in found for piece in _PIECE.findall(_LEADING.sub("", sentence))]


def clean(line: str) -> str:
    """One line as a reader would write it down. A dash stands where the speaker broke off."""
    line = _SPELLED.sub(lambda spelled: spelled[1].replace("_", ""), line.replace("’", "'"))
    line = _NOISE.sub(" ", _BROKEN_OFF.sub(" – ", line))
    line = one_line(_FILLER.sub(" ", one_line(line)))
    line = _DASHED.sub(" –", _DOUBLED.sub(r"\1", _LOOSE.sub(r"\1", line)))
    # In this order: a half-said word hides the repetition behind it, and a repetition hides the restart.
    return _RESTART.sub("", _STUTTER.sub(r"\1", _FRAGMENT.sub("", line)))


def one_line(text: str) -> str:
    """Single spaces, and nothing that cannot be shown or is not valid Unicode."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def cut(text: str, chars_max: int) -> str:
    """At most `chars_max` characters, cut at a word where there is one; an ellipsis shows that something is missing."""
    if len(text) <= chars_max:
        return text
    head, space, _ = text[:chars_max].rpartition(" ")
    return (head if space else text[: chars_max - 1]).rstrip(" ,;:–") + "…"
