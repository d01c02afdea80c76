/** Links: what a state becomes in the address, and what comes back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, startState, stateOfHash, type ViewState } from "../src/view/state.ts";

test("the view that a page begins with needs no link", () => {
    assert.equal(hashOf(startState(), startState()), "");
    assert.deepEqual(stateOfHash("", startState()), startState());
    assert.deepEqual(stateOfHash("#", startState()), startState());
});

test("every value comes back", () => {
    const other: ViewState = {
        section: "table",
        dataset: 3,
        measure: "freed",
        unit: "count",
        by: "line",
        ownFirst: "off",
        inverted: true,
        fromBottom: true,
        colour: "change",
        shows: "gone",
        before: 2,
        after: 9,
        zoom: "1f.3",
        selected: "z",
        query: "/a&b=c#d %\u{1f600}<>/",
        rows: "package",
        sort: "peak.total",
        ascending: true,
        file: 0,
        line: 7,
        lineTotals: "off",
        onlyMemory: true,
        theme: "dark",
    };
    const start = startState();
    for (const name of Object.keys(start) as (keyof ViewState)[]) {
        assert.notEqual(other[name], start[name], name);
    }
    assert.deepEqual(stateOfHash(hashOf(other, start), start), other);
});

test("values that are not allowed are left out", () => {
    const bad =
        "#view=secret&data=-1&measure=x&unit=&by=no&own=1&totals=1&inverted=yes&rows=thing&sort=a.b&from=1e9&line=x&theme=pink&more=1";
    assert.deepEqual(stateOfHash(bad, startState()), startState());
});

test("half of a pair of surrogates cannot be in a link", () => {
    const link = hashOf({ ...startState(), query: "a\ud83d" }, startState());
    assert.equal(stateOfHash(link, startState()).query, "a\ufffd");
});

test("what the page's maker chose is no part of a link, and what differs from it is", () => {
    const start = startState({ measure: "peak", unit: "count" });
    assert.equal(hashOf(start, start), "");
    assert.equal(hashOf({ ...start, measure: "live" }, start), "#measure=live");
    assert.equal(stateOfHash("#measure=live", start).measure, "live");
    assert.equal(stateOfHash("", start).unit, "count");
});
