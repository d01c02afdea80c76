/** Drawing: where boxes are, which colours they have, and what is written on them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
    changeWord,
    colourByOrigin,
    colourOfChange,
    DARK,
    GROWN,
    INSTALLED,
    LIGHT,
    NEUTRAL,
    NEW,
    OWN,
    type Palette,
    SAME,
    SHRUNK,
    STDLIB,
} from "../src/draw/colours.ts";
import { changeText, labelOf, originText, placeOf } from "../src/draw/labels.ts";
import { indexAt, type Layout, LEAST, layoutOf, REST, scaleLayout } from "../src/draw/layout.ts";
import { cut, type Picture, type Surface } from "../src/draw/paint.ts";
import { svgOf } from "../src/draw/svg.ts";
import { CallGraph } from "../src/model/call_graph.ts";
import { mergeTree } from "../src/model/merged.ts";
import { datasetOf, LIVE, SMALLER, type Trace } from "./sample.ts";

function luminance(colour: string): number {
    const [r, g, b] = [1, 3, 5].map((at) => {
        const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(one: string, other: string): number {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high! + 0.05) / (low! + 0.05);
}

test("text on every colour has the contrast that WCAG AA asks for", () => {
    for (const palette of [LIGHT, DARK] satisfies Palette[]) {
        assert.equal(palette.fills.length, SHRUNK + 3);
        for (const fill of palette.fills) {
            assert.ok(contrast(palette.text, fill) >= 4.5, `${palette.text} on ${fill}`);
        }
        assert.ok(contrast(palette.fadedText, palette.faded) >= 4.5);
        assert.ok(contrast(palette.found, palette.background) >= 3);
        assert.ok(contrast(palette.selected, palette.background) >= 3);
    }
});

test("a change has a colour and a word", () => {
    assert.equal(colourOfChange(5, 5), SAME);
    assert.equal(colourOfChange(0, 5), NEW);
    assert.deepEqual(
        [
            [100, 105],
            [100, 130],
            [100, 1000],
        ].map(([a, b]) => colourOfChange(a!, b!)),
        [GROWN, GROWN + 1, GROWN + 2],
    );
    assert.deepEqual(
        [
            [105, 100],
            [130, 100],
            [1000, 0],
        ].map(([a, b]) => colourOfChange(a!, b!)),
        [SHRUNK, SHRUNK + 1, SHRUNK + 2],
    );
    assert.deepEqual(
        [
            [1, 1],
            [0, 1],
            [1, 0],
            [1, 2],
            [2, 1],
        ].map(([a, b]) => changeWord(a!, b!)),
        ["same", "new", "gone", "grown", "shrunk"],
    );
});

const TRACES: Trace[] = [
    [["own a f:1", "installed p x:1"], 600],
    [["own a f:1", "stdlib q z:4"], 300],
    [["own a f:1", SMALLER], 90],
    [["own a f:1"], 9.9],
    [["own a g:1"], 0.1],
];
const graphOf = (traces: Trace[]) => new CallGraph(mergeTree(datasetOf(traces), "function", false), LIVE);

test("boxes lie in their parents, the widest first", () => {
    const layout = layoutOf(graphOf(TRACES.map(([names, figure]) => [names, figure! * 10])), 0, 1000);
    assert.deepEqual(
        layout.rows.map(({ x }) => x.map(Math.round)),
        [[0], [0], [0, 600, 900]],
    );
    assert.deepEqual(
        layout.rows.map(({ width }) => width.map(Math.round)),
        [[1000], [1000], [600, 300, 90]],
    );
    assert.equal(layout.boxes, 5, "what is too narrow is left out");
});

test("a zoomed box has the whole width, and so have those above it", () => {
    const graph = graphOf(TRACES.map(([names, figure]) => [names, figure! * 10]));
    const f = graph.children(0)[0]!;
    const layout = layoutOf(graph, graph.children(f)[1]!, 500);
    assert.deepEqual(
        layout.rows.map(({ width }) => width),
        [[500], [500], [500]],
    );
    assert.equal(layout.above, 2);
});

test("many children that are too narrow are one rest", () => {
    const many = Array.from({ length: 1000 }, (_, i): Trace => [[`own a f${i}:1`], 1]);
    const { rows } = layoutOf(graphOf([...many, [["own a wide:1"], 1000]]), 0, 100);
    assert.deepEqual(
        rows[1]!.box.map((box) => box === REST),
        [false, true],
    );
    assert.equal(Math.round(rows[1]!.width[1]!), 50);
    assert.ok(LEAST > 100 / 2000);
});

test("another width of the whole", () => {
    const layout = layoutOf(graphOf(TRACES), 0, 1000);
    scaleLayout(layout, 0.5);
    const rounded = ({ x, width }: Layout["rows"][number]) => [x, width].map((column) => column.map(Math.round));
    assert.deepEqual(layout.rows.map(rounded), [
        [[0], [500]],
        [[0], [500]],
        [
            [0, 300, 450],
            [300, 150, 45],
        ],
    ]);
});

test("the box at a place", () => {
    const row = { x: [0, 10, 40], width: [10, 20, 5], box: [7, 8, 9] };
    assert.deepEqual(
        [-1, 0, 9.9, 10, 29, 30, 39, 40, 44.9, 45].map((x) => indexAt(row, x)),
        [-1, 0, 0, 1, 1, -1, -1, 2, 2, -1],
    );
    assert.equal(indexAt(undefined, 5), -1);
});

test("labels say name, place and origin", () => {
    const graph = graphOf(TRACES.map(([names, figure]) => [names, figure! * 10]));
    const f = graph.children(0)[0]!;
    const [x, z, smaller] = Array.from(graph.children(f));
    assert.equal(labelOf(graph, f, false), "f  /srv/a.py:1");
    assert.equal(placeOf(graph, smaller!), "");
    assert.deepEqual(
        [f, x!, z!, smaller!].map((box) => originText(graph, box)),
        ["own code", "installed package p", "standard library", ""],
    );
    const colours = [0, f, z!, smaller!].map((box) => colourByOrigin(graph, box));
    assert.deepEqual(colours, [NEUTRAL, OWN, STDLIB, NEUTRAL]);
    assert.ok(colourByOrigin(graph, x!) >= INSTALLED && colourByOrigin(graph, x!) < INSTALLED + 4);
});

test("changes are said with their sign", () => {
    const tree = mergeTree(
        datasetOf([
            [["own a f:1"], 1024, 20480],
            [["own a g:1"], 0, 2048],
            [["own a h:1"], 5, 5],
        ]),
        "function",
        false,
    );
    const graph = new CallGraph(tree, { ...LIVE, after: 1 });
    assert.deepEqual(
        Array.from(graph.children(0), (box) => changeText(graph, box)),
        ["+19.0 KiB", "new +2048 B", "same"],
    );
    assert.equal(labelOf(graph, graph.children(0)[1]!, true), "* g  new +2048 B  /srv/a.py:1");
});

test("labels are cut to what fits", () => {
    const surface = { measureText: (text: string) => ({ width: 10 * Array.from(text).length }) } as Surface;
    assert.equal(cut(surface, "abcdef", 60, 10), "abcdef");
    assert.equal(cut(surface, "abcdef", 59, 10), "abcd…");
    assert.equal(cut(surface, "漢字漢字", 30, 10), "漢字…");
    assert.equal(cut(surface, "漢字", 30, 10), "漢字");
    assert.equal(cut(surface, "😀😀😀😀", 30, 10), "😀😀…");
});

test("an SVG has the names as text", () => {
    const graph = graphOf([[["own a <script>&:1"], 5000]]);
    const layout = layoutOf(graph, 0, 400);
    const picture: Picture = {
        layout,
        palette: LIGHT,
        colour: (box) => colourByOrigin(graph, box),
        label: (box) => labelOf(graph, box, false),
        isFound: null,
        selected: -1,
        pointed: -1,
        fromBottom: false,
        rows: layout.rows.length,
    };
    const svg = svgOf(picture, 400, 7, "a < b");
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="400" height="60"/);
    assert.match(svg, />&#60;script&#62;&#38; {2}\/srv\/a\.py:1<\/text>/);
    assert.match(svg, /<title>a &#60; b<\/title>/);
    assert.match(svg, /<text x="4" y="10"[^>]*>a &#60; b<\/text><g transform="translate\(0 20\)">/);
    assert.doesNotMatch(svg, /<script/);
});
