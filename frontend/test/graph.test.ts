/** Graphs: the inverted one against a plain model, addresses, and what is compared. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallGraph } from "../src/model/call_graph.ts";
import type { Selection, Shows } from "../src/model/figures.ts";
import { type Graph, parseAddress, pathTo } from "../src/model/graph.ts";
import { InvertedGraph } from "../src/model/inverted_graph.ts";
import { mergeTree } from "../src/model/merged.ts";
import { datasetOf, drawn, LIVE, randomTraces, SMALLER, type Trace } from "./sample.ts";

const compare = (shows: Shows): Selection => ({ ...LIVE, after: 1, shows });

/** The paths of boxes with their widths. */
function widths(graph: Graph): Map<string, number> {
    const found = new Map<string, number>();
    const walk = (box: number, path: string): void => {
        for (const child of Array.from(graph.children(box))) {
            const name = `${path}/${graph.tree.key[graph.node(child)]}`;
            found.set(name, graph.width(child));
            walk(child, name);
        }
    };
    walk(0, "");
    return found;
}

test("the inverted graph is what tracebacks read backwards give", () => {
    for (let seed = 1; seed <= 20; seed++) {
        const dataset = datasetOf(randomTraces(seed));
        for (const ownFirst of [false, true]) {
            const tree = mergeTree(dataset, "function", ownFirst);
            const own = tree.own(0, "live", "size");
            const expected = new Map<string, number>();
            for (let node = 1; node < tree.size; node++) {
                let path = "";
                for (let above = node; above !== 0 && own[node]! > 0; above = tree.parent[above]!) {
                    path += `/${tree.key[above]}`;
                    expected.set(path, (expected.get(path) ?? 0) + own[node]!);
                }
            }
            assert.deepEqual(new Map([...widths(new InvertedGraph(tree, LIVE))].sort()), new Map([...expected].sort()));
        }
    }
});

test("only the allocating frame of an inverted graph has own figures", () => {
    const tree = mergeTree(
        datasetOf([
            [["own a f:1", "own a g:1"], 5],
            [["own a g:1"], 2],
        ]),
        "function",
        false,
    );
    const graph = new InvertedGraph(tree, LIVE);
    assert.deepEqual(drawn(graph), ["everything 7", [["g 7", [["f 5", []]]]]]);
    const [g] = Array.from(graph.children(0));
    const [f] = Array.from(graph.children(g!));
    assert.equal(graph.own(g!, 0, "live", "size"), 7);
    assert.equal(graph.own(f!, 0, "live", "size"), 0);
    assert.equal(graph.total(f!, 0, "peak", "size"), 10);
});

test("addresses lead back to their boxes", () => {
    const tree = mergeTree(datasetOf(randomTraces(3)), "function", false);
    for (const make of [() => new CallGraph(tree, LIVE), () => new InvertedGraph(tree, LIVE)]) {
        const graph = make();
        const boxes = [0];
        for (const box of boxes) {
            boxes.push(...Array.from(graph.children(box)));
        }
        const fresh = make();
        for (const box of boxes) {
            const found = fresh.find(graph.address(box));
            assert.equal(fresh.width(found), graph.width(box));
            assert.equal(fresh.depth(found), graph.depth(box));
            assert.equal(pathTo(fresh, found).length, graph.depth(box) + 1);
        }
    }
});

test("an address that means nothing is everything", () => {
    const tree = mergeTree(datasetOf([[["own a f:1"], 1]]), "function", false);
    for (const address of ["", "zzzzzz", "-1", "1.9999", "<script>", "1.2.3", "5e9"]) {
        assert.equal(new CallGraph(tree, LIVE).find(address), 0, address);
        assert.equal(new InvertedGraph(tree, LIVE).find(address), 0, address);
    }
    assert.deepEqual(parseAddress("1.2", 5), [1, 2]);
    assert.deepEqual(parseAddress("9", 5), [0, 0]);
});

const CHANGES: Trace[] = [
    [["own a f:1", "own a g:1"], 30, 60],
    [["own a f:1", "own a h:1"], 50, 10],
    [["own a f:1", "own a i:1"], 0, 40],
    [["own a f:1", "own a j:1"], 25, 25],
    [["own a k:1"], 70, 0],
];

test("widths of a comparison are the newer figures, what grew, or what shrank", () => {
    const tree = mergeTree(datasetOf(CHANGES), "function", false);
    assert.deepEqual(drawn(new CallGraph(tree, compare("newer"))), [
        "everything 135",
        [
            [
                "f 135",
                [
                    ["g 60", []],
                    ["i 40", []],
                    ["j 25", []],
                    ["h 10", []],
                ],
            ],
        ],
    ]);
    assert.deepEqual(drawn(new CallGraph(tree, compare("grown"))), [
        "everything 70",
        [
            [
                "f 70",
                [
                    ["i 40", []],
                    ["g 30", []],
                ],
            ],
        ],
    ]);
    assert.deepEqual(drawn(new CallGraph(tree, compare("gone"))), [
        "everything 110",
        [
            ["k 70", []],
            ["f 40", [["h 40", []]]],
        ],
    ]);
    assert.deepEqual(drawn(new InvertedGraph(tree, compare("gone"))), [
        "everything 110",
        [
            ["k 70", []],
            ["h 40", [["f 40", []]]],
        ],
    ]);
    const graph = new CallGraph(tree, compare("newer"));
    assert.equal(graph.before(0), 175);
    assert.equal(graph.after(0), 135);
});

test("what grew does not depend on how frames are merged", () => {
    const dataset = datasetOf([
        [["own a f:1"], 10, 0],
        [["own a f:2"], 0, 10],
    ]);
    for (const by of ["function", "line"] as const) {
        assert.equal(new CallGraph(mergeTree(dataset, by, false), compare("grown")).width(0), 10);
    }
});

test("a tree without blocks is one box", () => {
    const tree = mergeTree(datasetOf([[["own a f:1", SMALLER], 0]]), "function", true);
    assert.deepEqual(drawn(new CallGraph(tree, LIVE)), ["everything 0", []]);
    assert.deepEqual(drawn(new InvertedGraph(tree, LIVE)), ["everything 0", []]);
});
