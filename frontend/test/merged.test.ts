/** Merging frames by function, by line, and own code first. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallGraph } from "../src/model/call_graph.ts";
import { hasOwnCode, mergeTree } from "../src/model/merged.ts";
import { datasetOf, drawn, LIVE, randomTraces, SMALLER, type Trace } from "./sample.ts";

const TRACES: Trace[] = [
    [["own a f:1", "own a g:1"], 1],
    [["own a f:2", "own a g:1"], 2],
    [["own a f:2", "own a g:9"], 4],
];

test("by function, lines of a function are one box", () => {
    const tree = mergeTree(datasetOf(TRACES), "function", false);
    assert.deepEqual(drawn(new CallGraph(tree, LIVE)), ["everything 7", [["f 7", [["g 7", []]]]]]);
});

test("by line, they are not", () => {
    const tree = mergeTree(datasetOf(TRACES), "line", false);
    const graph = new CallGraph(tree, LIVE);
    assert.deepEqual(drawn(graph), [
        "everything 7",
        [
            [
                "f 6",
                [
                    ["g 4", []],
                    ["g 2", []],
                ],
            ],
            ["f 1", [["g 1", []]]],
        ],
    ]);
});

test("a run of others' frames is one box, named after the package that own code called", () => {
    const traces: Trace[] = [
        [["own a f:1", "installed p x:1", "stdlib q z:1"], 1],
        [["own a f:1", "installed p y:1"], 2],
        [["own a f:1", "installed p x:1", "stdlib q z:1", "own a g:1", "stdlib q z:1"], 4],
        [["own a f:1", "stdlib q z:1", SMALLER], 8],
        [["own a f:1", "stdlib q z:1"], 16],
    ];
    for (const by of ["function", "line"] as const) {
        const tree = mergeTree(datasetOf(traces), by, true);
        assert.deepEqual(drawn(new CallGraph(tree, LIVE)), [
            "everything 31",
            [
                [
                    "f 31",
                    [
                        ["q 24", [["smaller 8", []]]],
                        ["p 7", [["g 4", [["q 4", []]]]]],
                    ],
                ],
            ],
        ]);
    }
});

test("own and total figures add up in each merged tree", () => {
    for (let seed = 1; seed <= 20; seed++) {
        const dataset = datasetOf(randomTraces(seed));
        const whole = dataset.column("s0.size").reduce((a, b) => a + b, 0);
        for (const by of ["function", "line"] as const) {
            for (const ownFirst of [false, true]) {
                const tree = mergeTree(dataset, by, ownFirst);
                assert.equal(tree.total(0, "live", "size")[0], whole);
                assert.equal(tree.total(0, "peak", "size")[0], 2 * whole);
                assert.equal(tree.total(0, "freed", "size")[0], 2 * whole);
                const parents = tree.parent.map((parent, node) => (node === 0 || parent < node ? 0 : 1));
                assert.equal(parents.indexOf(1), -1, "a parent comes before its children");
                const pairs = new Set(Array.from(tree.key, (key, node) => `${tree.parent[node]} ${key}`));
                assert.equal(by === "line" && !ownFirst ? pairs.size : tree.size, pairs.size, "siblings differ in their keys");
            }
        }
    }
});

test("is there own code?", () => {
    assert.equal(hasOwnCode(datasetOf([[["own a f:1"], 1]])), true);
    assert.equal(hasOwnCode(datasetOf([[["stdlib q z:1"], 1]])), false);
});
