/** Numbers and names as text. The sizes are those that _ctracemalloc._format_size gives. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, formatClock, formatCount, formatPercent, formatSize } from "../src/text/format.ts";
import { shortPath, shown, shownSource } from "../src/text/names.ts";

test("sizes are those of Python, and so are the ties", () => {
    for (const [size, text, signed] of [
        [0, "0 B", "+0 B"],
        [10239, "10239 B", "+10239 B"],
        [10240, "10.0 KiB", "+10.0 KiB"],
        [12544, "12.2 KiB", "+12.2 KiB"], // 12.25
        [12800, "12.5 KiB", "+12.5 KiB"],
        [13056, "12.8 KiB", "+12.8 KiB"], // 12.75
        [123392, "120 KiB", "+120 KiB"], // 120.5
        [124416, "122 KiB", "+122 KiB"], // 121.5
        [102399, "100.0 KiB", "+100.0 KiB"],
        [102400, "100 KiB", "+100 KiB"],
        [10485759, "10240 KiB", "+10240 KiB"],
        [10485760, "10.0 MiB", "+10.0 MiB"],
        [2 ** 50, "1024 TiB", "+1024 TiB"],
        [2 ** 62, "4194304 TiB", "+4194304 TiB"],
        [-5, "-5 B", "-5 B"],
        [-123456, "-121 KiB", "-121 KiB"],
    ] as const) {
        assert.equal(formatSize(size), text);
        assert.equal(formatSize(size, true), signed);
    }
});

test("counts have separators", () => {
    assert.deepEqual(
        [0, 999, 1000, 1234567, -1234].map((count) => formatCount(count)),
        ["0", "999", "1,000", "1,234,567", "-1,234"],
    );
    assert.deepEqual(
        [0, 12, -3].map((count) => formatCount(count, true)),
        ["+0", "+12", "-3"],
    );
    assert.equal(counted(1, "block"), "1 block");
    assert.equal(counted(2000, "block"), "2,000 blocks");
});

test("percents and times", () => {
    assert.equal(formatPercent(1, 3), "33.3%");
    assert.equal(formatPercent(1, 0), "");
    assert.deepEqual([0, 12.34, 59.97, 245, 3723].map(formatClock), ["0.0 s", "12.3 s", "1:00", "4:05", "1:02:03"]);
});

test("characters that are not seen become escapes, and others stay", () => {
    assert.equal(shown("plain <b> name"), "plain <b> name");
    assert.equal(shown("a\x1b[2J\n\u202egnp\ud83d"), "a\\x1b[2J\\n\\u202egnp\\ud83d");
    assert.equal(shown("\u00a0\u2028\u{e0001}\ue000"), "\\xa0\\u2028\\U000e0001\\ue000");
    assert.equal(shown("größe 漢字 😀"), "größe 漢字 😀");
    assert.equal(shownSource("\tx\x07"), "        x\\x07");
});

test("paths are cut from the left", () => {
    assert.equal(shortPath("/usr/lib/python3/json/decoder.py:3"), "…/json/decoder.py:3");
    assert.equal(shortPath("main.py:1"), "main.py:1");
});
