"""Definitions of another dictionary, to search with: GCIDE as Debian's package `dict-gcide` carries it.

They are older than WordNet and independent of it: Webster's of 1913. Entries that were taken from WordNet are left out.
Form of the files: dictfmt(1), dictd(8).
"""

import gzip
import pathlib
import re
import string
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from idx import check  # noqa: E402

SHA256 = {
    "gcide.dict.dz": "3e6b2cdcbc1b3664c2f1466e3c8e44012e815c4c67fa83fa61f39777cd6e8517",
    "gcide.index": "e78de035e075f16dd686dd87a4dbf5b4525130d0550968a02d929f5ddf63a6a1",
}
DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
FEWEST_WORDS = 4


class Gcide:
    def __init__(self, folder: pathlib.Path = pathlib.Path("/usr/share/dictd")) -> None:
        text, index = ((folder / name).read_bytes() for name in SHA256)
        check("gcide.dict.dz", text, SHA256["gcide.dict.dz"])
        check("gcide.index", index, SHA256["gcide.index"])
        self.text = gzip.decompress(text)
        self.places: dict[str, list[tuple[int, int]]] = {}
        for line in index.decode("utf-8").splitlines():
            word, offset, length = line.split("\t")
            self.places.setdefault(word, []).append((number(offset), number(length)))

    def definition(self, word: str) -> str | None:
        """The first meaning of a noun, if it is told in some words and without the word itself."""
        for offset, length in self.places.get(word.capitalize(), []):
            entry = re.sub(r"\s+", " ", self.text[offset : offset + length].decode("utf-8", "replace"))
            head = re.match(rf"{word.capitalize()} \\.*?\\,?(?: \([^)]*\))?, n\.", entry)
            if not head:
                continue
            # After pronunciation and origin, which stand in brackets.
            parts = re.split(r"\s1\. ", f"{entry[head.end():]} ", maxsplit=1)
            text = parts[1] if len(parts) == 2 else re.sub(r"^[^\[]{0,40}(?:\[.*?\] )+", "", parts[0])
            text = text.partition("[1913 Webster]")[0]
            if "[Obs" in text or "WordNet" in text or "PJC" in text:
                continue
            text = re.sub(r"^(?:\([^)]*\) ?|\[[^\]]*\] ?)+|[{}]", "", text)
            text = re.split(r"; |\. |--|: |, as,", text)[0].strip(" .,")
            tells_itself = word[: max(4, len(word) - 2)] in text.lower()
            if len(text.split()) >= FEWEST_WORDS and not tells_itself and re.fullmatch(r"[A-Za-z ,'()\-]+", text):
                return text
        return None


def number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + DIGITS.index(digit)
    return value
