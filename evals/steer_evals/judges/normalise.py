"""One spelling for one text, so that typography never decides a verdict. Knows characters, not meanings.

Why: under steering a model may drift from "I can't" to "I can’t" (U+2019); a list of markers then sees
refusals vanish while they rise.
"""

import re
import unicodedata

_QUOTES = str.maketrans(
    {
        **dict.fromkeys(
            "\u2018\u2019\u201a\u201b\u2032\u2035\u00b4\u02b9\u02bc\u02bb\u02c8\u2039\u203a\uff07", "'"
        ),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u300c\u300d\uff02", '"'),
    }
)
_DASHES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d", "-")
)
_BREAKS = str.maketrans({"\r": "\n", "\u0085": "\n", "\u2028": "\n", "\u2029": "\n"})
_TICK_AS_APOSTROPHE = re.compile(r"(?<=[^\W\d_])`(?=[^\W\d_])")
_BLOCK_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?)+", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[*+\u2022\u25cf\u25aa\u2023\u00b7][ \t]+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_EMPHASIS = re.compile(r"\*+(?=\S)|(?<=\S)\*+|~~|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|(?<=[^\w\s])_+")
_THINKING = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_UNFINISHED_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)


def strip_thinking(text: str) -> str:
    """The answer without a leading `<think>` block; empty if the thinking never ended.

    >>> strip_thinking("<think>I can't?</think>Paris")
    'Paris'
    """
    return _UNFINISHED_THINKING.sub("", _THINKING.sub("", text))


def clean(text: str) -> str:
    """Text in one typography: NFKC, straight quotes, one dash, no invisible characters, no markdown marks.

    Case, line breaks, bullets ("- ") and code marks stay, because sentences, lists and code are read from
    them.
    """
    # before NFKC, which would take the acute accent used as an apostrophe apart into a space and a mark
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).translate(_QUOTES).translate(_DASHES)
    text = _visible(text.replace("\r\n", "\n").translate(_BREAKS))
    text = _TICK_AS_APOSTROPHE.sub("'", text)
    text = _LINK.sub(r"\1", _BLOCK_MARK.sub("", text))
    return _EMPHASIS.sub("", _BULLET.sub(r"\1- ", text)).strip()


def normalise(text: str) -> str:
    """The form that phrases are compared in: `clean`, then no code marks, one case, single spaces.

    Idempotent.

    >>> normalise("I **can\u2019t** \u200bhelp\u2014sorry")
    "i can't help-sorry"
    """
    previous = None
    while text != previous:  # taking one mark away can reveal another, as in "> # title"
        previous = text
        text = " ".join(clean(text).replace("`", " ").casefold().split())
    return text


def fold(text: str) -> str:
    """`normalise` without accents, so that "desole" and "désolé" compare equal."""
    parts = unicodedata.normalize("NFD", normalise(text))
    return unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.category(c) != "Mn"))


def _visible(text: str) -> str:
    # Cf: zero-width characters, soft hyphens, direction marks; Cc: control characters; Mn only as variation
    # selectors
    return "".join(
        c
        for c in text
        if c in "\n\t" or (unicodedata.category(c) not in {"Cf", "Cc"} and not "\ufe00" <= c <= "\ufe0f")
    )
