/**
 * What is drawn: a tree of boxes with a width each, callers first (CallGraph) or allocating frames first (InvertedGraph).
 *
 * Model: a graph is made for one merged tree and one selection of figures. Box 0 is everything. Children are asked for where
 * they are shown only, and come with the widest first, so whoever draws stops at the first one that is too narrow. The address
 * of a box is a text for links: it means the same box as long as the file is the same, and a near one in a tree that is merged
 * in another way.
 */

import type { Measure, Selection, Unit } from "./figures.ts";
import type { MergedTree } from "./merged.ts";

export interface Graph {
    readonly tree: MergedTree;
    readonly selection: Selection;
    readonly inverted: boolean;
    /** Those with a width, the widest first. */
    children(box: number): ArrayLike<number>;
    parent(box: number): number;
    depth(box: number): number;
    width(box: number): number;
    /** Totals in the selection's measure and unit; `before` is 0 if nothing is compared. */
    after(box: number): number;
    before(box: number): number;
    own(box: number, state: number, measure: Measure, unit: Unit): number;
    total(box: number, state: number, measure: Measure, unit: Unit): number;
    /** A node of the merged tree that has the box's name. */
    node(box: number): number;
    address(box: number): string;
    /** The box of an address; 0 if there is none. */
    find(address: string): number;
    /** 1 for the nodes of the merged tree that have their own blocks in the box. */
    nodesWithin(box: number): Uint8Array;
}

export function addressOf(node: number, depth: number): string {
    return depth > 0 ? `${node.toString(36)}.${depth}` : node.toString(36);
}

/** [a node of the dataset, a depth or 0] of an address; the root for any other text. */
export function parseAddress(address: string, nodes: number): [number, number] {
    const found = /^([0-9a-z]{1,9})(?:\.(\d{1,6}))?$/.exec(address);
    const node = found === null ? 0 : Number.parseInt(found[1]!, 36);
    return node < nodes ? [node, Number(found?.[2] ?? 0)] : [0, 0];
}

/** The boxes from box 0 to this one. */
export function pathTo(graph: Graph, box: number): number[] {
    const path = [box];
    for (let above = box; above !== 0; ) {
        above = graph.parent(above);
        path.push(above);
    }
    return path.reverse();
}
