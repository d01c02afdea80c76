"""Compare ctm_fnmatch with Python's fnmatch on random patterns and names.

usage: fnmatch_oracle.py LIBCTM.so [ROUNDS [SEED]]

The alphabet is small and has all special characters, so that matches, ranges, unclosed brackets and reversed ranges are all
frequent.
"""

import ctypes
import fnmatch
import random
import sys
import warnings

PATTERN_ALPHABET = "aab-cz!]]][[[^*?\\&|~.\n\u00e9\U0001f40d\udc80-"
NAME_ALPHABET = "aabcz!][^-\\&|~.\n\u00e9\U0001f40d\udc80"


def random_text(rng, alphabet, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most + 1)))


def random_name(rng, pattern):
    """Half of the time, a name that the pattern probably matches."""
    if rng.random() < 0.5:
        return random_text(rng, NAME_ALPHABET, 6)
    return "".join(
        random_text(rng, NAME_ALPHABET, 2) if char == "*" else rng.choice([char, rng.choice(NAME_ALPHABET)])
        for char in pattern[:10]
    )


def main():
    library = ctypes.CDLL(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 120_000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    match = library.ctm_fnmatch
    match.restype = ctypes.c_bool
    match.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    warnings.simplefilter("ignore")
    passed = failed = positive = 0
    for _ in range(rounds // 4):
        pattern = random_text(rng, PATTERN_ALPHABET, 9)
        if rng.random() < 0.5:
            pattern = f"{pattern[:2]}[{pattern[2:]}]"
        for _ in range(4):
            name = random_name(rng, pattern)
            expected = fnmatch.fnmatchcase(name, pattern)
            raw_pattern = pattern.encode("utf-8", "surrogatepass")
            raw_name = name.encode("utf-8", "surrogatepass")
            got = match(raw_pattern, len(raw_pattern), raw_name, len(raw_name))
            positive += expected
            if got == expected:
                passed += 1
            else:
                failed += 1
                if failed <= 20:
                    print(f"pattern {pattern!r} name {name!r}: Python {expected}, ctm {got}")
    print(f"{passed} passed, {failed} failed ({positive} of the names matched)")
    return 1 if failed or not positive else 0


if __name__ == "__main__":
    sys.exit(main())
