/**
 * Boxes with the allocating frames first, and their callers below them.
 *
 * Model: an entry is a node of the merged tree with blocks of its own in any measure, and a cursor on its path to the root. A box is a slice of
 * the entries, whose cursors all have the box's key. When a box is opened, the cursors of its slice move to their callers and
 * the slice is ordered by the keys that they have now; each part is a child. So a whole inverted tree, which can have
 * many times the nodes of the tree itself, is never made: only what is opened, in place.
 */

import { ROOT } from "../data/dataset.ts";
import { isCompared, type Measure, measuresOf, type Selection, type Unit } from "./figures.ts";
import { addressOf, type Graph, parseAddress } from "./graph.ts";
import type { MergedTree } from "./merged.ts";

interface Box {
    parent: number;
    depth: number;
    from: number; // its entries
    to: number;
    node: number; // a cursor of its entries before they moved on
    width: number;
    after: number;
    before: number;
    children: number[] | null; // null: not opened yet
}

export class InvertedGraph implements Graph {
    readonly inverted = true;
    private readonly boxes: Box[] = [];
    private readonly ownAfter: Float64Array;
    private readonly ownBefore: Float64Array | null;
    private readonly ownWidth: Float64Array;
    private readonly entries: Uint32Array;
    private readonly cursors: Uint32Array;

    constructor(
        readonly tree: MergedTree,
        readonly selection: Selection,
    ) {
        const { measure, unit } = selection;
        this.ownAfter = tree.own(selection.after, measure, unit);
        this.ownBefore = isCompared(selection) ? tree.own(selection.before, measure, unit) : null;
        this.ownWidth = tree.ownWidth(selection);
        this.entries = this.nodesWithBlocks();
        this.cursors = this.entries.slice();
        this.add(0, 0, 0, this.entries.length, ROOT);
    }

    /** Of any measure in a state that is shown: the details of a box have them all. */
    private nodesWithBlocks(): Uint32Array {
        const { tree, selection } = this;
        const having = new Uint8Array(tree.size);
        for (const state of new Set([selection.before, selection.after])) {
            for (const measure of measuresOf(tree.dataset.meta)) {
                for (const unit of ["size", "count"] as const) {
                    const own = tree.own(state, measure, unit);
                    for (let node = 0; node < having.length; node++) {
                        having[node]! |= Number(own[node] !== 0);
                    }
                }
            }
        }
        return Uint32Array.from(having.keys()).filter((node) => having[node] === 1);
    }

    private add(parent: number, depth: number, from: number, to: number, node: number): number {
        const box: Box = { parent, depth, from, to, node, width: 0, after: 0, before: 0, children: null };
        for (let i = from; i < to; i++) {
            const entry = this.entries[i]!;
            box.width += this.ownWidth[entry]!;
            box.after += this.ownAfter[entry]!;
            box.before += this.ownBefore === null ? 0 : this.ownBefore[entry]!;
        }
        return this.boxes.push(box) - 1;
    }

    children(number: number): number[] {
        const box = this.boxes[number]!;
        box.children ??= this.open(number, box);
        return box.children;
    }

    private open(number: number, box: Box): number[] {
        if (box.depth > 0) {
            this.moveToCallers(box);
        }
        this.orderByKey(box.from, box.to);
        const children: number[] = [];
        const { key } = this.tree;
        for (let from = box.from; from < box.to; ) {
            const node = this.cursors[from]!;
            let to = from + 1;
            while (to < box.to && key[this.cursors[to]!] === key[node]) {
                to++;
            }
            // What arrived at the root began here and has no caller. Blocks of the root itself are a box of their own.
            if (node !== ROOT || box.depth === 0) {
                children.push(this.add(number, box.depth + 1, from, to, node));
            }
            from = to;
        }
        const { boxes } = this;
        return children.filter((a) => boxes[a]!.width > 0).sort((a, b) => boxes[b]!.width - boxes[a]!.width || a - b);
    }

    private moveToCallers({ from, to }: Box): void {
        for (let i = from; i < to; i++) {
            this.cursors[i] = this.tree.parent[this.cursors[i]!]!;
        }
    }

    private orderByKey(from: number, to: number): void {
        if (to - from < 2) {
            return;
        }
        const { key } = this.tree;
        const numbers = Float64Array.from({ length: to - from }, (_, i) => key[this.cursors[from + i]!]! * (to - from) + i);
        numbers.sort();
        const entries = this.entries.slice(from, to);
        const cursors = this.cursors.slice(from, to);
        for (let i = 0; i < numbers.length; i++) {
            const old = numbers[i]! % (to - from);
            this.entries[from + i] = entries[old]!;
            this.cursors[from + i] = cursors[old]!;
        }
    }

    parent(box: number): number {
        return this.boxes[box]!.parent;
    }

    depth(box: number): number {
        return this.boxes[box]!.depth;
    }

    width(box: number): number {
        return this.boxes[box]!.width;
    }

    after(box: number): number {
        return this.boxes[box]!.after;
    }

    before(box: number): number {
        return this.boxes[box]!.before;
    }

    /** Only the allocating frame has blocks of its own. */
    own(box: number, state: number, measure: Measure, unit: Unit): number {
        return this.depth(box) === 1 ? this.total(box, state, measure, unit) : 0;
    }

    total(box: number, state: number, measure: Measure, unit: Unit): number {
        const own = this.tree.own(state, measure, unit);
        const { from, to } = this.boxes[box]!;
        let sum = 0;
        for (let i = from; i < to; i++) {
            sum += own[this.entries[i]!]!;
        }
        return sum;
    }

    node(box: number): number {
        return this.boxes[box]!.node;
    }

    /** An entry of the box, and how many frames the box is away from it. */
    address(box: number): string {
        const { from, depth } = this.boxes[box]!;
        return depth === 0 ? "0" : addressOf(this.tree.sample[this.entries[from]!]!, depth);
    }

    find(address: string): number {
        const [sample, depth] = parseAddress(address, this.tree.nodeOf.length);
        let node = this.tree.nodeOf[sample]!;
        let box = 0;
        for (let level = 0; level < depth; level++) {
            const next = this.children(box).find((child) => this.tree.key[this.node(child)] === this.tree.key[node]);
            if (next === undefined) {
                return 0;
            }
            box = next;
            node = this.tree.parent[node]!;
        }
        return box;
    }

    nodesWithin(box: number): Uint8Array {
        const within = new Uint8Array(this.tree.size);
        const { from, to } = this.boxes[box]!;
        for (let i = from; i < to; i++) {
            within[this.entries[i]!] = 1;
        }
        return within;
    }
}
