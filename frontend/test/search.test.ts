/** Search: what is found, and its share. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallGraph } from "../src/model/call_graph.ts";
import { InvertedGraph } from "../src/model/inverted_graph.ts";
import { mergeTree } from "../src/model/merged.ts";
import { amountFound, asksForLines, framesFound, matcherOf, nodesFound } from "../src/model/search.ts";
import { datasetOf, LIVE, SMALLER } from "./sample.ts";

const DATASET = datasetOf([
    [["own a f:1", "installed p x:1", "installed p x:1"], 1],
    [["own a f:1", "installed p y:7"], 2],
    [["own a f:1", "own a g:3", "installed p x:1"], 4],
    [["own a f:1", SMALLER], 8],
]);

function share(query: string, ownFirst = false, inverted = false): number {
    const tree = mergeTree(DATASET, "function", ownFirst);
    const graph = inverted ? new InvertedGraph(tree, LIVE) : new CallGraph(tree, LIVE);
    return amountFound(graph, 0, framesFound(DATASET, matcherOf(query)!));
}

test("parts of names and regular expressions, whatever the case", () => {
    assert.equal(matcherOf(""), null);
    assert.equal(matcherOf("FOO")!("a foo b"), true);
    assert.equal(matcherOf("f.o")!("foo"), false);
    assert.equal(matcherOf("/^f.O$/")!("foo"), true);
    assert.equal(matcherOf("/a")!("/a/b"), true);
    assert.throws(() => matcherOf("/(/"), SyntaxError);
});

test("each block counts once, however the boxes are merged", () => {
    for (const [query, found] of [
        ["x", 5],
        ["y", 15], // of the files' names
        ["/^y$/", 2],
        ["/srv/p.py", 7],
        ["p.py:7", 2],
        ["f", 15],
        ["smaller", 8],
        ["nothing", 0],
    ] as const) {
        assert.equal(share(query), found, query);
        assert.equal(share(query, true), found, query);
        assert.equal(share(query, false, true), found, query);
    }
});

test("lines are looked at if a search can mean one", () => {
    assert.deepEqual(["x", "p.py:7", "/7$/"].map(asksForLines), [false, true, true]);
    const found = (byLine: boolean) => framesFound(DATASET, matcherOf("p.py:7")!, byLine).reduce((a, b) => a + b, 0);
    assert.deepEqual([found(true), found(false)], [1, 0]);
});

test("callers above the zoomed box do not count", () => {
    const tree = mergeTree(DATASET, "function", false);
    const graph = new CallGraph(tree, LIVE);
    const f = graph.children(0)[0]!;
    const g = Array.from(graph.children(f)).find((box) => graph.width(box) === 4)!;
    assert.equal(amountFound(graph, g, framesFound(DATASET, matcherOf("/^f$/")!)), 0);
    assert.equal(amountFound(graph, g, framesFound(DATASET, matcherOf("/^x$/")!)), 4);
});

test("a box of a package is found by any of its frames", () => {
    const tree = mergeTree(DATASET, "function", true);
    const found = nodesFound(tree, framesFound(DATASET, matcherOf("/^y$/")!));
    const names = Array.from(found.keys()).filter((node) => found[node] === 1);
    assert.equal(names.length, 1);
    assert.ok(tree.isPackage(names[0]!));
});
