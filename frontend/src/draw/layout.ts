/**
 * Where the boxes of a graph are.
 *
 * Model: a row for each depth. The box that is zoomed into has the whole width, and so have the boxes above it. The children of
 * a box lie in it from the left, the widest first. What is narrower than LEAST is not looked at; the place of such children
 * together is a rest, which is drawn but is no box. So the work depends on the width of the window, not on the size of the tree.
 */

import { type Graph, pathTo } from "../model/graph.ts";

export const LEAST = 0.5; // CSS pixels

export interface Row {
    x: number[];
    width: number[];
    box: number[]; // REST: children that are too narrow
}

export const REST = -1;

export interface Layout {
    rows: Row[];
    zoom: number; // a box
    above: number; // rows of boxes that contain the zoomed one
    boxes: number;
}

export function layoutOf(graph: Graph, zoom: number, width: number): Layout {
    const path = pathTo(graph, zoom);
    const layout: Layout = { rows: [], zoom, above: path.length - 1, boxes: 0 };
    path.forEach((box, depth) => {
        put(layout, depth, 0, width, box);
    });
    const whole = graph.width(zoom);
    if (whole > 0) {
        putChildren(graph, layout, width / whole);
    }
    return layout;
}

/** The same boxes with another width of the whole. */
export function scaleLayout({ rows }: Layout, scale: number): void {
    for (const { x, width } of rows) {
        for (let i = 0; i < x.length; i++) {
            x[i]! *= scale;
            width[i]! *= scale;
        }
    }
}

function put(layout: Layout, depth: number, x: number, width: number, box: number): void {
    layout.rows[depth] ??= { x: [], width: [], box: [] };
    const row = layout.rows[depth]!;
    row.x.push(x);
    row.width.push(width);
    row.box.push(box);
    layout.boxes++;
}

/** Row by row, so that the boxes of a row are in the order of their places. */
function putChildren(graph: Graph, layout: Layout, scale: number): void {
    for (let depth = layout.above; depth < layout.rows.length; depth++) {
        const { x, width, box } = layout.rows[depth]!;
        for (let i = 0; i < box.length; i++) {
            if (box[i] !== REST) {
                putBelow(graph, layout, depth + 1, x[i]!, x[i]! + width[i]!, box[i]!, scale);
            }
        }
    }
}

function putBelow(graph: Graph, layout: Layout, depth: number, from: number, end: number, box: number, scale: number): void {
    const children = graph.children(box);
    let x = from;
    for (let i = 0; i < children.length; i++) {
        const width = graph.width(children[i]!) * scale;
        if (width < LEAST) {
            putRest(graph, layout, depth, x, end, children, i, scale);
            return;
        }
        put(layout, depth, x, width, children[i]!);
        x += width;
    }
}

const LOOKED_AT = 4096; // children of a rest: more of them are wide enough together, or never

function putRest(
    graph: Graph,
    layout: Layout,
    depth: number,
    x: number,
    end: number,
    children: ArrayLike<number>,
    from: number,
    scale: number,
): void {
    let width = 0;
    for (let i = from; i < children.length && i < from + LOOKED_AT; i++) {
        width += graph.width(children[i]!) * scale;
    }
    width = Math.min(width, end - x);
    if (width >= 1) {
        put(layout, depth, x, width, REST);
    }
}

/** The index in its row of the box at a place; -1: there is none. */
export function indexAt(row: Row | undefined, x: number): number {
    if (row === undefined) {
        return -1;
    }
    let low = 0;
    let high = row.x.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (row.x[middle]! <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const index = low - 1;
    return index >= 0 && x < row.x[index]! + row.width[index]! ? index : -1;
}
