"""A small program to trace: counts the words of a text. The README runs it.

python -m ctracemalloc run examples/python/words.py TEXT
"""

import collections
import sys


def read_words(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def count_words(words):
    return collections.Counter(word.strip(".,;:()'\"").lower() for word in words)


words = read_words(sys.argv[1])
counts = count_words(words)
print(len(counts), "different words, most common:", counts.most_common(1)[0][0])
