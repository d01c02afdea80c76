/**
 * Which frames a search finds, and how much memory they stand for.
 *
 * Model: a search is a part of a name, or a regular expression between slashes; capital letters do not matter. A frame is found
 * by its function, its file and line, its module or its package; ^ and $ are the ends of each. (A search for exactly one of them
 * is in exact.ts.) The share is of blocks, each once: a block counts if any frame of its traceback that is shown was found,
 * however many there are.
 */

import { type Dataset, ROOT_FRAME, SMALLER_FRAME } from "../data/dataset.ts";
import { widthFigures } from "./figures.ts";
import type { Graph } from "./graph.ts";
import type { MergedTree } from "./merged.ts";

export type Matcher = (text: string) => boolean;

export const SMALLER = "smaller";

/** null: no search. Throws a SyntaxError for a regular expression that is none. */
export function matcherOf(query: string): Matcher | null {
    const expression = /^\/(.+)\/$/s.exec(query);
    if (expression !== null) {
        const pattern = new RegExp(expression[1]!, "imu");
        return (text) => pattern.test(text);
    }
    const wanted = query.toLowerCase();
    return wanted === "" ? null : (text) => text.toLowerCase().includes(wanted);
}

/** Can it find one line of a function, and not another? */
export function asksForLines(query: string): boolean {
    return query.includes(":") || query.startsWith("/");
}

/** 1 for each frame that is found. byLine: look at the lines as well, which are many. */
export function framesFound(dataset: Dataset, matches: Matcher, byLine = true): Uint8Array {
    const texts = Uint8Array.from(textsOfFunctions(dataset), (text) => Number(matches(text)));
    const found = new Uint8Array(dataset.frames);
    for (let frame = SMALLER_FRAME + 1; frame < found.length; frame++) {
        const id = dataset.frameFunction[frame]!;
        found[frame] = texts[id] || (byLine ? Number(matches(placeOfFrame(dataset, frame))) : 0);
    }
    found[ROOT_FRAME] = 0;
    found[SMALLER_FRAME] = Number(matches(SMALLER));
    return found;
}

const kept = new WeakMap<Dataset, string[]>();

function textsOfFunctions(dataset: Dataset): string[] {
    const texts = kept.get(dataset) ?? Array.from(dataset.functionName, (_, id) => textOfFunction(dataset, id));
    kept.set(dataset, texts);
    return texts;
}

function textOfFunction(dataset: Dataset, id: number): string {
    const file = dataset.functionFile[id]!;
    const parts = [dataset.functionName[id]!, dataset.fileName[file]!, dataset.fileModule[file]!, dataset.filePackage[file]!];
    return parts.map((part) => dataset.string(part)).join("\n");
}

function placeOfFrame(dataset: Dataset, frame: number): string {
    const file = dataset.functionFile[dataset.frameFunction[frame]!]!;
    return `${dataset.string(dataset.fileName[file]!)}:${dataset.frameLine[frame]}`;
}

/** 1 for each node of the merged tree that has a frame that was found. */
export function nodesFound(tree: MergedTree, frames: Uint8Array): Uint8Array {
    const found = new Uint8Array(tree.size);
    const { frame } = tree.dataset;
    for (let node = 1; node < frame.length; node++) {
        if (frames[frame[node]!]) {
            found[tree.nodeOf[node]!] = 1;
        }
    }
    return found;
}

/** The figures of the blocks within a box that a frame was found for: callers above the box do not count. */
export function amountFound(graph: Graph, box: number, frames: Uint8Array): number {
    const { dataset, nodeOf } = graph.tree;
    const own = widthFigures(dataset, graph.selection);
    const within = graph.nodesWithin(box);
    const found = new Uint8Array(dataset.nodes);
    let sum = 0;
    for (let node = 1; node < found.length; node++) {
        const isWithin = within[nodeOf[node]!]! === 1;
        const counts = isWithin || graph.inverted;
        found[node] = counts && (frames[dataset.frame[node]!] || found[dataset.parent[node]!]) ? 1 : 0;
        sum += isWithin && found[node] ? own[node]! : 0;
    }
    return sum;
}
