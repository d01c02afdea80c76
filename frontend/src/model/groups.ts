/**
 * Rows of a table: functions, lines, files, modules or packages, with the blocks of their frames.
 *
 * Model: each frame belongs to a row. A row's own figures are of the blocks that its frames allocated; its totals are of the
 * blocks with any frame of it in their traceback, each block once. A walk along the tree marks the nodes with which a row comes
 * onto the path for the first time; the total figures of those nodes add up to the row's, for any column.
 */

import { type Dataset, ROOT, ROOT_FRAME, SMALLER_FRAME } from "../data/dataset.ts";

export const ROW_KEYS = ["function", "line", "file", "module", "package"] as const;
export type RowKey = (typeof ROW_KEYS)[number];

export interface Rows {
    key: RowKey;
    count: number;
    rowOf: Uint32Array; // by frame; row 0: of the root and of what was merged
    sample: Uint32Array; // by row: one of its frames
}

export function rowsOf(dataset: Dataset, key: RowKey): Rows {
    const identity = IDENTITIES[key];
    const numbers = new Map<number, number>();
    const rowOf = new Uint32Array(dataset.frames);
    const sample = [ROOT_FRAME];
    for (let frame = SMALLER_FRAME + 1; frame < rowOf.length; frame++) {
        const id = identity(dataset, frame);
        let row = numbers.get(id);
        if (row === undefined) {
            row = sample.push(frame) - 1;
            numbers.set(id, row);
        }
        rowOf[frame] = row;
    }
    return { key, count: sample.length, rowOf, sample: Uint32Array.from(sample) };
}

const LINES = 2 ** 26; // more than any file has
const fileOf = (dataset: Dataset, frame: number) => dataset.functionFile[dataset.frameFunction[frame]!]!;

const IDENTITIES: Readonly<Record<RowKey, (dataset: Dataset, frame: number) => number>> = {
    function: (dataset, frame) => dataset.frameFunction[frame]!,
    line: (dataset, frame) => fileOf(dataset, frame) * LINES + dataset.frameLine[frame]!,
    file: fileOf,
    module: (dataset, frame) => dataset.fileModule[fileOf(dataset, frame)]!,
    package: (dataset, frame) => {
        const file = fileOf(dataset, frame);
        return dataset.filePackage[file]! * dataset.meta.origins.length + dataset.fileOrigin[file]!;
    },
};

/** 1 for the nodes above which no frame of their row is. */
export function firstOnPath(dataset: Dataset, { rowOf, count }: Rows): Uint8Array {
    const { start, list } = dataset.childrenOfNodes();
    const { frame } = dataset;
    const first = new Uint8Array(frame.length);
    const onPath = new Uint32Array(count);
    const next = start.slice(0, frame.length);
    const stack = new Uint32Array(frame.length);
    let height = 1; // stack[0] is the root
    while (height > 0) {
        const node = stack[height - 1]!;
        const row = rowOf[frame[node]!]!;
        if (next[node] === start[node] && onPath[row]++ === 0) {
            first[node] = 1;
        }
        if (next[node]! < start[node + 1]!) {
            stack[height++] = list[next[node]!++]!;
            continue;
        }
        onPath[row]!--;
        height--;
    }
    return first;
}

export function ownByRow(dataset: Dataset, { rowOf, count }: Rows, own: Float64Array): Float64Array {
    const sums = new Float64Array(count);
    for (let node = 0; node < own.length; node++) {
        sums[rowOf[dataset.frame[node]!]!]! += own[node]!;
    }
    return sums;
}

/** What frames allocated, and what was allocated with any of them in the traceback. frames: 1 for each of them. */
export function ownAndTotal(dataset: Dataset, frames: Uint8Array, own: Float64Array): { own: number; total: number } {
    const { frame, parent } = dataset;
    const below = new Uint8Array(own.length);
    const sums = { own: 0, total: 0 };
    for (let node = 1; node < own.length; node++) {
        const is = frames[frame[node]!]!;
        below[node] = is | below[parent[node]!]!;
        sums.own += is === 1 ? own[node]! : 0;
        sums.total += below[node] === 1 ? own[node]! : 0;
    }
    return sums;
}

/** first: as firstOnPath finds it; total: the totals of nodes. */
export function totalByRow(dataset: Dataset, rows: Rows, first: Uint8Array, total: Float64Array): Float64Array {
    return ownByRow(
        dataset,
        rows,
        total.map((figure, node) => (first[node] === 1 && node !== ROOT ? figure : 0)),
    );
}
