/**
 * One dataset: a call tree, its frames, functions and files, and its figures in each state.
 *
 * Model: everything is a column. Node 0 is the root, frame 0 its frame, and frame 1 is that of nodes that stand for many small
 * ones. A parent has a smaller number than its children, so totals need one pass from the end. Columns of figures are decoded
 * when they are asked for, and the last ones are kept.
 */

import { decodeColumn } from "./decode.ts";
import type { Meta } from "./head.ts";

export const ROOT = 0;
export const ROOT_FRAME = 0;
export const SMALLER_FRAME = 1;
const KEPT = 24; // columns of figures

export class Dataset {
    readonly parent: Uint32Array;
    readonly frame: Uint32Array;
    readonly frameFunction: Uint32Array;
    readonly frameLine: Uint32Array;
    readonly functionFile: Uint32Array;
    readonly functionName: Uint32Array;
    readonly functionLine: Uint32Array;
    readonly fileName: Uint32Array;
    readonly fileModule: Uint32Array;
    readonly filePackage: Uint32Array;
    readonly fileOrigin: Uint32Array;
    private readonly kept = new Map<string, Float64Array>();
    private children: Children | null = null;

    constructor(
        readonly meta: Meta,
        private readonly bytes: Uint8Array,
    ) {
        this.parent = this.ids("parent");
        for (let node = 0; node < this.parent.length; node++) {
            this.parent[node] = node - this.parent[node]!;
        }
        this.frame = this.ids("frame");
        this.frameFunction = this.ids("frame_function");
        this.frameLine = this.ids("frame_line");
        this.functionFile = this.ids("function_file");
        this.functionName = this.ids("function_name");
        this.functionLine = this.ids("function_line");
        this.fileName = this.ids("file_name");
        this.fileModule = this.ids("file_module");
        this.filePackage = this.ids("file_package");
        this.fileOrigin = this.ids("file_origin");
    }

    get nodes(): number {
        return this.parent.length;
    }

    get frames(): number {
        return this.frameFunction.length;
    }

    has(name: string): boolean {
        return this.meta.columns[name] !== undefined;
    }

    /** A column of figures. Not to be changed: it is kept. */
    column(name: string): Float64Array {
        return this.keep(name, () => decodeColumn(this.bytes, this.meta.columns, name));
    }

    /** What `make` made for this name before, if it is still kept. */
    keep(name: string, make: () => Float64Array): Float64Array {
        const column = this.kept.get(name) ?? make();
        this.kept.delete(name);
        this.kept.set(name, column);
        if (this.kept.size > KEPT) {
            this.kept.delete(this.kept.keys().next().value!);
        }
        return column;
    }

    /** The nodes below each node. */
    childrenOfNodes(): Children {
        this.children ??= childrenOf(this.parent);
        return this.children;
    }

    string(id: number): string {
        return this.meta.strings[id] ?? "";
    }

    private ids(name: string): Uint32Array {
        return new Uint32Array(decodeColumn(this.bytes, this.meta.columns, name));
    }
}

/** The children of node n are list[start[n]] to list[start[n + 1] - 1], in ascending order. */
export interface Children {
    start: Uint32Array;
    list: Uint32Array;
}

/** By a counting sort of the parents. Node 0 is nobody's child. */
export function childrenOf(parent: Uint32Array): Children {
    const start = new Uint32Array(parent.length + 1);
    for (let node = 1; node < parent.length; node++) {
        start[parent[node]! + 1]!++;
    }
    for (let node = 0; node < parent.length; node++) {
        start[node + 1]! += start[node]!;
    }
    const next = start.slice(0, parent.length);
    const list = new Uint32Array(Math.max(0, parent.length - 1));
    for (let node = 1; node < parent.length; node++) {
        list[next[parent[node]!]!++] = node;
    }
    return { start, list };
}

/** Each node's figure and those of all nodes below it. */
export function totalsOf(parent: Uint32Array, own: Float64Array): Float64Array {
    const total = own.slice();
    for (let node = total.length - 1; node > ROOT; node--) {
        total[parent[node]!]! += total[node]!;
    }
    return total;
}
