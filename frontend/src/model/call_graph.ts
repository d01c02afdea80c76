/**
 * Boxes with callers first: the merged tree itself.
 *
 * Model: a box is a node of the merged tree, and its width its total. The children of a node are put in order when they are
 * first asked for, in place: most nodes are never shown.
 */

import { totalsOf } from "../data/dataset.ts";
import { isCompared, type Measure, type Selection, type Unit } from "./figures.ts";
import { addressOf, type Graph, parseAddress, pathTo } from "./graph.ts";
import type { MergedTree } from "./merged.ts";

export class CallGraph implements Graph {
    readonly inverted = false;
    private readonly widths: Float64Array;
    private readonly totalAfter: Float64Array;
    private readonly totalBefore: Float64Array | null;
    private readonly start: Uint32Array;
    private readonly list: Uint32Array;
    private readonly sorted: Uint8Array;

    constructor(
        readonly tree: MergedTree,
        readonly selection: Selection,
    ) {
        const { measure, unit } = selection;
        this.totalAfter = tree.total(selection.after, measure, unit);
        this.totalBefore = isCompared(selection) ? tree.total(selection.before, measure, unit) : null;
        this.widths = this.widthsOf();
        const { start, list } = tree.children();
        this.start = start;
        this.list = list.slice();
        this.sorted = new Uint8Array(tree.size);
    }

    private widthsOf(): Float64Array {
        if (this.totalBefore === null || this.selection.shows === "newer") {
            return this.totalAfter;
        }
        return totalsOf(this.tree.parent, this.tree.ownWidth(this.selection));
    }

    children(box: number): Uint32Array {
        const below = this.list.subarray(this.start[box]!, this.start[box + 1]!);
        const widths = this.widths;
        if (this.sorted[box] === 0) {
            this.sorted[box] = 1;
            if (below.length > 1) {
                below.sort((a, b) => widths[b]! - widths[a]! || a - b);
            }
        }
        let shown = below.length;
        while (shown > 0 && widths[below[shown - 1]!]! <= 0) {
            shown--;
        }
        return below.subarray(0, shown);
    }

    parent(box: number): number {
        return this.tree.parent[box]!;
    }

    depth(box: number): number {
        let depth = 0;
        for (let above = box; above !== 0; above = this.parent(above)) {
            depth++;
        }
        return depth;
    }

    width(box: number): number {
        return this.widths[box]!;
    }

    after(box: number): number {
        return this.totalAfter[box]!;
    }

    before(box: number): number {
        return this.totalBefore === null ? 0 : this.totalBefore[box]!;
    }

    own(box: number, state: number, measure: Measure, unit: Unit): number {
        return this.tree.own(state, measure, unit)[box]!;
    }

    total(box: number, state: number, measure: Measure, unit: Unit): number {
        return this.tree.total(state, measure, unit)[box]!;
    }

    node(box: number): number {
        return box;
    }

    address(box: number): string {
        return addressOf(this.tree.sample[box]!, 0);
    }

    find(address: string): number {
        const [node, depth] = parseAddress(address, this.tree.nodeOf.length);
        const box = depth === 0 ? this.tree.nodeOf[node]! : 0; // with a depth it is of an inverted graph
        return pathTo(this, box).every((above) => above === 0 || this.width(above) > 0) ? box : 0;
    }

    nodesWithin(box: number): Uint8Array {
        const within = new Uint8Array(this.tree.size);
        within[box] = 1;
        for (let node = box + 1; node < within.length; node++) {
            within[node] = this.widths[node]! > 0 ? within[this.tree.parent[node]!]! : 0;
        }
        return within;
    }
}
