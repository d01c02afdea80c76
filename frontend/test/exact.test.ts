/** Searches for exactly one row: what they find is the row's total, whatever the names. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallGraph } from "../src/model/call_graph.ts";
import { framesWanted, queryOf, type Wanted, wantedOf, wantedOfRow } from "../src/model/exact.ts";
import { ROW_KEYS } from "../src/model/groups.ts";
import { InvertedGraph } from "../src/model/inverted_graph.ts";
import { mergeTree } from "../src/model/merged.ts";
import { amountFound } from "../src/model/search.ts";
import { sumsOf } from "../src/model/sums.ts";
import { datasetOf, LIVE, randomTraces } from "./sample.ts";

test("names may be anything, and nothing in a search is unseen", () => {
    const names = [
        "",
        'a "b" \\',
        "line:3",
        "a\nb\t",
        "half \ud83d of a pair",
        "\u202egnp",
        "\u{e0001}",
        "f file:x",
        "漢字 😀",
    ];
    for (const name of names) {
        const wanted: Wanted = { function: name, file: name, line: 12 };
        const query = queryOf(wanted);
        assert.deepEqual(wantedOf(query), wanted, query);
        assert.doesNotMatch(query, /[\p{C}\p{Zl}\p{Zp}]/u);
    }
});

test("a search that is written by hand, and what is none", () => {
    assert.deepEqual(wantedOf('  package:"a"   code:"own" '), { package: "a", code: "own" });
    assert.deepEqual(wantedOf('line:7 file:"a.py"'), { line: 7, file: "a.py" });
    for (const query of [
        "",
        "f",
        "line:7",
        "file:a.py",
        'file:"a.py',
        'file:"a.py" x',
        'file:"a" file:"b"',
        'file:"a"line:1',
        'file:"a" line:"1"',
        'file:"a" line:007',
        "function:7",
        'file:"\\x"',
        'say "function:"',
    ]) {
        assert.equal(wantedOf(query), null, query);
    }
});

test("what a row's search finds is the row's total, in every tree", () => {
    for (let seed = 1; seed <= 8; seed++) {
        // Names contain one another, and some are in two files.
        const rename = (name: string) => name.replace("stdlib q z", "stdlib pq ff").replace("installed p x", "installed p f");
        const dataset = datasetOf(randomTraces(seed).map(([names, ...figures]) => [names.map(rename), ...figures]));
        for (const ownFirst of [false, true]) {
            const tree = mergeTree(dataset, "function", ownFirst);
            for (const graph of [new CallGraph(tree, LIVE), new InvertedGraph(tree, LIVE)]) {
                for (const key of ROW_KEYS) {
                    const rows = sumsOf(dataset).rows(key);
                    const totals = sumsOf(dataset).column(key, "total", 0, "live", "size");
                    for (let row = 1; row < rows.count; row++) {
                        const query = queryOf(wantedOfRow(dataset, rows, row));
                        const found = framesWanted(dataset, wantedOf(query)!);
                        const expected = Array.from(rows.rowOf, (of) => Number(of === row));
                        assert.deepEqual(Array.from(found), expected, query);
                        assert.equal(amountFound(graph, 0, found), totals[row], query);
                    }
                }
            }
        }
    }
});
