/** Rows of tables: own and total figures, each block once. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownFigures } from "../src/model/figures.ts";
import { ownAndTotal, ROW_KEYS, type RowKey } from "../src/model/groups.ts";
import { sumsOf } from "../src/model/sums.ts";
import { datasetOf, randomTraces, SMALLER } from "./sample.ts";

const KEY_OF: Record<RowKey, (name: string) => string> = {
    function: (name) => name.split(":")[0]!,
    line: (name) => name.replace(/ \w+:/, ":"),
    file: (name) => name.split(" ").slice(0, 2).join(" "),
    module: (name) => name.split(" ")[1]!,
    package: (name) => name.split(" ").slice(0, 2).join(" "),
};

test("rows of random trees are those of a plain count", () => {
    for (let seed = 1; seed <= 20; seed++) {
        const traces = randomTraces(seed);
        const sums = sumsOf(datasetOf(traces));
        for (const key of ROW_KEYS) {
            const own = new Map<string, number>();
            const total = new Map<string, number>();
            const add = (to: Map<string, number>, name: string, figure: number) => to.set(name, (to.get(name) ?? 0) + figure);
            for (const [names, figure] of traces) {
                const keys = names.map((name) => (name === SMALLER ? name : KEY_OF[key](name)));
                add(own, keys.at(-1)!, figure!);
                new Set(keys).forEach((name) => {
                    add(total, name, figure!);
                });
            }
            own.delete(SMALLER);
            total.delete(SMALLER);
            const sorted = (figures: Iterable<number>) => [...figures].filter((figure) => figure !== 0).sort((a, b) => a - b);
            const column = (kind: "own" | "total") => sorted(sums.column(key, kind, 0, "live", "size").subarray(1));
            assert.deepEqual(column("own"), sorted(own.values()), `${key}, own`);
            assert.deepEqual(column("total"), sorted(total.values()), `${key}, total`);
        }
    }
});

test("a recursive function's blocks count once", () => {
    const dataset = datasetOf([[["own a f:1", "own a g:1", "own a f:1", "own a f:2"], 5]]);
    const sums = sumsOf(dataset);
    assert.deepEqual([...sums.column("function", "total", 0, "live", "size")], [0, 5, 5]);
    assert.deepEqual([...sums.column("function", "own", 0, "live", "size")], [0, 5, 0]);
    assert.deepEqual([...sums.column("line", "total", 0, "freed", "size")], [0, 10, 10]);
    assert.equal(sums.rows("line").count, 3, "two functions on one line are one row");
});

test("what some frames allocated, and what was allocated below any of them", () => {
    const dataset = datasetOf([
        [["own a f:1", "installed p x:1", "own a f:2"], 1],
        [["own a f:1", "installed p x:1"], 20],
        [["installed p x:1"], 300],
        [["own a f:1", SMALLER], 4000],
    ]);
    const frames = Uint8Array.from({ length: dataset.frames }, (_, frame) =>
        Number(dataset.string(dataset.functionName[dataset.frameFunction[frame]!]!) === "f"),
    );
    assert.deepEqual(ownAndTotal(dataset, frames, ownFigures(dataset, 0, "live", "size")), { own: 1, total: 4021 });
});
