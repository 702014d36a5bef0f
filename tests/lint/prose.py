#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Flesch's reading ease of plain text on standard input, and its hardest sentences.

usage: prose.py NAME LEAST [SHOWN]

206.835 - 1.015 * words a sentence - 84.6 * syllables a word (Flesch 1948): 100 is very easy, 60 to 70
plain English, below 30 is for graduates. Only paragraphs count: lines that hold examples, tables, options
or paths are left out, and a word with a digit, a dash at its start, or a slash counts as one syllable.
Fails below LEAST. SHOWN: how many of the hardest sentences are printed.
"""

import re
import sys


def syllables(word):
    if not word.isalpha() or word.isupper():
        return 1
    word = word.lower()
    groups = len(re.findall(r"[aeiouy]+", word))
    if word.endswith(("e", "es", "ed")) and not word.endswith(("le", "ted", "ded", "ses", "ces")):
        groups -= 1
    return max(groups, 1)


def paragraphs(text):
    for block in re.split(r"\n\s*\n", text):
        joined = " ".join(line.strip() for line in block.splitlines())
        joined = re.sub(r"-\s(?=[a-z])", "-", joined)
        if re.search(r"[a-z]{2}\.(\s|$)", joined):  # it has a sentence
            yield joined


def sentences(text):
    for paragraph in paragraphs(text):
        for sentence in re.split(r"(?<=[.?!:;])\s+(?=[A-Z(\"]|[a-z])", paragraph):
            words = [w.strip("()\"',.:;?!") for w in sentence.split()]
            words = [w for w in words if re.search(r"[A-Za-z]", w)]
            if len(words) >= 4:
                yield sentence, words


def ease(sentence_count, words):
    return 206.835 - 1.015 * len(words) / sentence_count - 84.6 * sum(map(syllables, words)) / len(words)


def main():
    name, least = sys.argv[1], float(sys.argv[2])
    found = list(sentences(sys.stdin.read()))
    words = [w for _, ws in found for w in ws]
    score = ease(len(found), words)
    print(f"{name}: reading ease {score:.0f}, {len(words) / len(found):.1f} words a sentence")
    for sentence, _ in sorted(found, key=lambda f: ease(1, f[1]))[: int((sys.argv + ["0"])[3])]:
        print(f"    {sentence}")
    return score < least


if __name__ == "__main__":
    sys.exit(main())
