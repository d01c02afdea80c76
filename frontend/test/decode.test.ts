/** Decoding: planes, signs, differences, and what is cut off. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { childrenOf, Dataset, totalsOf } from "../src/data/dataset.ts";
import { bytesOfBase64, decodeColumn, inflate, unpack } from "../src/data/decode.ts";
import { datasetOf, Writer } from "./sample.ts";

test("columns of all widths have their values and signs", () => {
    for (const values of [
        [0, 0, 0],
        [1, -1, 127, -128],
        [128, -129, 32767, -32768],
        [8388607, -8388608, 5],
        [2 ** 31, -(2 ** 31) - 1, 2 ** 39 - 1],
        [2 ** 52, -(2 ** 52), 0],
    ]) {
        const writer = new Writer();
        writer.add("before", [7, 7]);
        writer.add("x", values);
        assert.deepEqual([...decodeColumn(writer.bytes(), writer.places, "x")], values);
    }
});

test("a column that is zero everywhere takes no bytes", () => {
    const writer = new Writer();
    writer.add("x", [0, 0, 0]);
    assert.equal(writer.bytes().length, 0);
    assert.deepEqual([...decodeColumn(writer.bytes(), writer.places, "x")], [0, 0, 0]);
});

test("differences are added along the chain", () => {
    const writer = new Writer();
    writer.add("a", [100, 200, 300]);
    writer.add("b", [1100, 0, 300], "a");
    writer.add("c", [1101, 0, 2 ** 33], "b");
    assert.deepEqual([...decodeColumn(writer.bytes(), writer.places, "c")], [1101, 0, 2 ** 33]);
    assert.deepEqual([...decodeColumn(writer.bytes(), writer.places, "b")], [1100, 0, 300]);
});

test("bytes that are missing are an error, and so is a column that is not there", () => {
    const writer = new Writer();
    writer.add("x", [1000, 2000]);
    assert.throws(() => decodeColumn(writer.bytes().subarray(0, 3), writer.places, "x"), /cut off/);
    assert.throws(() => decodeColumn(writer.bytes(), writer.places, "y"), /no column y/);
});

test("a dataset is base64 of a zlib stream of JSON and bytes", async () => {
    const json = Buffer.from('{"a": "\\ud800"}');
    const whole = Buffer.concat([Buffer.from([json.length, 0, 0, 0]), json, Buffer.from([1, 2, 3])]);
    const unpacked = unpack(await inflate(bytesOfBase64(deflateSync(whole).toString("base64"))));
    assert.deepEqual(unpacked.json, { a: "\ud800" });
    assert.deepEqual([...unpacked.bytes], [1, 2, 3]);
    assert.throws(() => unpack(whole.subarray(0, 10)), /cut off/);
    assert.throws(() => unpack(whole.subarray(0, 3)), /cut off/);
});

test("children are found, in order", () => {
    const { start, list } = childrenOf(Uint32Array.of(0, 0, 1, 0, 1, 4));
    const below = (node: number) => [...list.subarray(start[node], start[node + 1])];
    assert.deepEqual([0, 1, 2, 3, 4, 5].map(below), [[1, 3], [2, 4], [], [], [5], []]);
});

test("totals have everything below", () => {
    const totals = totalsOf(Uint32Array.of(0, 0, 1, 0), Float64Array.of(1, 2, 4, 8));
    assert.deepEqual([...totals], [15, 6, 4, 8]);
});

test("a dataset's columns are decoded once while they are kept", () => {
    const dataset = datasetOf([[["own a f:1", "own a g:2"], 5]]);
    assert.ok(dataset instanceof Dataset);
    assert.equal(dataset.nodes, 3);
    assert.deepEqual([...dataset.parent], [0, 0, 1]);
    assert.equal(dataset.column("s0.size"), dataset.column("s0.size"));
    assert.deepEqual([...dataset.column("s0.size")], [0, 0, 5]);
    assert.equal(dataset.has("s1.size"), false);
});
