"""A small program to trace: counts the words of a text, by default a large module of the standard library. The README runs it.

python -m ctracemalloc run examples/python/words.py [TEXT]
"""

import collections
import os
import sys

LARGE_MODULE = os.path.join(os.path.dirname(collections.__file__), "..", "_pydecimal.py")


def read_words(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def count_words(words):
    return collections.Counter(word.strip(".,;:()'\"").lower() for word in words)


def rank(counts):
    return sorted(counts.items(), key=lambda item: -item[1])


words = read_words(sys.argv[1] if len(sys.argv) > 1 else LARGE_MODULE)
counts = count_words(words)
ranked = rank(counts)
print(len(counts), "different words, most common:", ranked[0][0])
