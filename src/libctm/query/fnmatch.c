/* query/fnmatch.c: Python's fnmatch over code points, without regular expressions.
 *
 * Model: a pattern is a sequence of tokens: `*`, `?`, a set `[...]`, or a literal. Matching
 * backtracks to the last `*` only: when a later token fails, that star takes one more code
 * point. No earlier star needs to be tried again, so the time is at most |pattern| x |name|.
 *
 * Sets follow fnmatch.translate exactly. A `]` that comes first is a member, `a-z` is a range, a
 * `-` at either end is a member. An empty range such as `b-a` is removed with both its ends, and
 * the rest is parsed as a set again: an empty rest never matches, `!` at its start negates (so
 * `[b-a!x]` is `[!x]`), a lone `!` matches any code point.
 */
#include <string.h>

#include "ctm/statistics.h"

/* What is left of a text. */
struct text {
    const unsigned char *at, *end; /* borrowed */
};

static uint32_t continuation(const struct text *text, unsigned index)
{
    return text->at[index] & 0x3fu;
}

/* Takes the next code point off the text, which is not at its end. A byte that is not valid UTF-8 is
 * a code point of its own, above U+10FFFF. */
static uint32_t text_next(struct text *text)
{
    static const unsigned char leads[5] = {0, 0, 0x1f, 0x0f, 0x07};
    uint32_t first = text->at[0];
    unsigned size = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    if (size == 1) {
        text->at++;
        return first;
    }
    if (size == 0 || (size_t)(text->end - text->at) < size) {
        text->at++;
        return 0x110000u + first;
    }
    uint32_t point = first & leads[size];
    for (unsigned i = 1; i < size; i++) {
        point = (point << 6) | continuation(text, i);
    }
    text->at += size;
    return point;
}

/* A member of a set: the code points low..high. */
struct member {
    uint32_t low, high;
    bool range; /* written as low-high, even if both are the same */
};

/* Takes the next member off `set`, which may be an empty range. False at the end. */
static bool member_next(struct text *set, struct member *out)
{
    if (set->at == set->end) {
        return false;
    }
    out->low = out->high = text_next(set);
    out->range = set->end - set->at >= 2 && set->at[0] == '-';
    if (out->range) {
        set->at++;
        out->high = text_next(set);
    }
    return true;
}

/* The same, without empty ranges. */
static bool member_next_nonempty(struct text *set, struct member *out)
{
    while (member_next(set, out)) {
        if (out->low <= out->high) {
            return true;
        }
    }
    return false;
}

static bool members_have(struct text set, uint32_t point)
{
    struct member member;
    while (member_next_nonempty(&set, &member)) {
        if (member.low <= point && point <= member.high) {
            return true;
        }
    }
    return false;
}

/* `set` is the text between the brackets; it is not empty. */
static bool set_matches(struct text set, uint32_t point)
{
    struct member first;
    if (*set.at == '!') {
        set.at++;
        return !members_have(set, point);
    }
    struct text rest = set;
    if (!member_next_nonempty(&rest, &first)) {
        return false;
    }
    if (first.low != '!') {
        return members_have(set, point);
    }
    /* A `!` that comes first after empty ranges were removed negates. If it began a range, the `-` and
     * the end of that range are members. */
    if (first.range && (point == '-' || point == first.high)) {
        return false;
    }
    return !members_have(rest, point);
}

/* Finds the set that begins at the `[` at `pattern`, and moves `pattern` behind its `]`. False: no `]` closes it,
 * so the `[` is a literal. `last` is the pattern's last `]`. */
static bool set_open(struct text *pattern, const unsigned char *last, struct text *set)
{
    const unsigned char *at = pattern->at + 1;
    set->at = at;
    if (at < pattern->end && *at == '!') {
        at++;
    }
    if (at < pattern->end && *at == ']') {
        at++;
    }
    /* `last` is known beforehand, so a sequence of open brackets is not scanned for each of them. */
    if (last == NULL || last < at) {
        return false;
    }
    set->end = memchr(at, ']', (size_t)(last - at) + 1);
    pattern->at = set->end + 1;
    return true;
}

/* Matches one token other than `*` against one code point, and takes both off. */
static bool token_matches(struct text *pattern, const unsigned char *last, struct text *name)
{
    struct text set;
    uint32_t point = text_next(name);
    if (*pattern->at == '?') {
        pattern->at++;
        return true;
    }
    if (*pattern->at == '[' && set_open(pattern, last, &set)) {
        return set_matches(set, point);
    }
    return text_next(pattern) == point;
}

static const unsigned char *last_bracket(const char *pattern, size_t length)
{
    return length == 0 ? NULL : memrchr(pattern, ']', length);
}

static bool only_stars(struct text pattern)
{
    while (pattern.at < pattern.end && *pattern.at == '*') {
        pattern.at++;
    }
    return pattern.at == pattern.end;
}

bool ctm_fnmatch(const char *pattern, size_t pattern_length, const char *name, size_t name_length)
{
    static const unsigned char nothing[1] = {0};
    const unsigned char *p = pattern_length ? (const unsigned char *)pattern : nothing;
    const unsigned char *n = name_length ? (const unsigned char *)name : nothing;
    struct text rest = {p, p + pattern_length}, text = {n, n + name_length};
    struct text star = {NULL, NULL}, star_text = text;
    const unsigned char *last = last_bracket(pattern, pattern_length);
    while (text.at < text.end) {
        if (rest.at < rest.end && *rest.at == '*') {
            rest.at++;
            star = rest;
            star_text = text;
        } else if (rest.at == rest.end || !token_matches(&rest, last, &text)) {
            if (star.at == NULL) {
                return false;
            }
            text_next(&star_text);
            text = star_text;
            rest = star;
        }
    }
    return only_stars(rest);
}
