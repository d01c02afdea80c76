/** The timeline's columns and axes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSteps, thinned, timeSteps } from "../src/model/ticks.ts";

test("of many ticks the lowest and the highest of each column are kept", () => {
    const size = Float64Array.from({ length: 10000 }, (_, i) => (i === 4321 ? 999 : i % 7));
    const time = size.map((_, i) => i);
    const kept = thinned({ time, size, peak: size, resident: size }, 100);
    assert.ok(kept.time.length <= 200);
    assert.ok(kept.size.includes(999));
    assert.equal(kept.time[kept.size.indexOf(999)], 4321);
    assert.ok(
        kept.time.every((at, i) => i === 0 || at > kept.time[i - 1]!),
        "in their order",
    );
});

test("few ticks are all kept", () => {
    const time = Float64Array.of(1, 2, 3);
    assert.equal(thinned({ time, size: time, peak: time, resident: time }, 100).time, time);
});

test("axes have a few round steps", () => {
    assert.deepEqual(byteSteps(1000), [0, 256, 512, 768]);
    assert.deepEqual(byteSteps(0), [0]);
    assert.deepEqual(timeSteps(0, 10), [0, 2, 4, 6, 8, 10]);
    assert.deepEqual(timeSteps(3, 3700), [600, 1200, 1800, 2400, 3000, 3600]);
    assert.ok(timeSteps(0, 1e7).length <= 9);
});
