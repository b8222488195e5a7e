"""Reads WordNet 3.0 as Debian's package `wordnet-base` carries it.

Source: Fellbaum (ed.) 1998, WordNet: An Electronic Lexical Database; the form of the files is in wndb(5WN).
"""

import pathlib
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from idx import check  # noqa: E402

SHA256 = {
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
    "data.adj": "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "data.adv": "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
    "index.noun": "a490d99d93d017bf4822fe2f0ffa51fd73911ce271dc7535fade21f8814b5a04",
    "cntlist.rev": "a198580b8f705fa02797bba8b13e5cbe4a9f9f40cb1697e774c7fc6a5865b035",
}


@dataclass(frozen=True)
class Synset:
    """Words of one meaning, its definition, and phrases that show its use."""

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


class WordNet:
    def __init__(self, folder: pathlib.Path = pathlib.Path("/usr/share/wordnet")) -> None:
        self.folder = folder
        self.nouns = self._synsets("data.noun")

    def all(self) -> list[Synset]:
        """Every meaning of every part of speech."""
        rest = (self._synsets(f"data.{part}").values() for part in ("verb", "adj", "adv"))
        return [*self.nouns.values(), *(synset for part in rest for synset in part)]

    def common(self, count: int) -> list[tuple[str, Synset]]:
        """The nouns that are met most often, each with its first meaning; no names, no two of one meaning."""
        first = self._first_meanings()
        found = {}
        for word, _ in sorted(self._counts().items(), key=lambda item: (-item[1], item[0])):
            offset = first.get(word)
            is_word = offset and len(word) >= 3 and word.isalpha() and word in self.nouns[offset].words
            if is_word and offset not in found:
                found[offset] = word
            if len(found) == count:
                break
        return [(word, self.nouns[offset]) for offset, word in found.items()]

    def _first_meanings(self) -> dict[str, str]:
        """The first meaning of each noun, the most frequent one."""
        lines = (line.split() for line in self._lines("index.noun"))
        return {fields[0]: fields[-int(fields[2])] for fields in lines}

    def _counts(self) -> dict[str, int]:
        """How often each noun was met in its first meaning in texts whose words were told apart by hand."""
        counts = {}
        for line in self._lines("cntlist.rev"):
            sense, number, count = line.split()
            word, _, place = sense.partition("%")
            if place.startswith("1:") and number == "1":
                counts[word] = int(count)
        return counts

    def _synsets(self, name: str) -> dict[str, Synset]:
        found = {}
        for line in self._lines(name):
            fields, _, gloss = line.partition(" | ")
            parts = fields.split()
            words = tuple(parts[4 + 2 * at].replace("_", " ") for at in range(int(parts[3], 16)))
            definition, *rest = gloss.split('; "')
            examples = tuple(text.split('"')[0] for text in rest)
            found[parts[0]] = Synset(words, definition.strip().rstrip(";").strip(), examples)
        return found

    def _lines(self, name: str) -> list[str]:
        content = (self.folder / name).read_bytes()
        check(name, content, SHA256[name])
        return [line for line in content.decode("latin-1").splitlines() if not line.startswith(" ")]
