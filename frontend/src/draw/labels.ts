/**
 * What a box is called: on the box, in the details and in the tree for screen readers.
 *
 * Model: a box has a name (function or package), a place (file and line) and, in a comparison, a sign. Names are data of the
 * program and are made safe to show here, once for each node.
 */

import type { Dataset } from "../data/dataset.ts";
import { formatFigure, isCompared } from "../model/figures.ts";
import type { Graph } from "../model/graph.ts";
import { type MergedTree, originOf } from "../model/merged.ts";
import { SMALLER } from "../model/search.ts";
import { shortPath, shown } from "../text/names.ts";
import { changeWord } from "./colours.ts";

export const EVERYTHING = "everything";

export function nameOf(graph: Graph, box: number): string {
    const node = graph.node(box);
    if (box === 0 || node === 0) {
        return box === 0 ? EVERYTHING : "no traceback";
    }
    return nameOfNode(graph.tree, node);
}

function nameOfNode(tree: MergedTree, node: number): string {
    if (tree.isSmaller(node)) {
        return SMALLER;
    }
    const { dataset } = tree;
    const called = dataset.frameFunction[tree.frameOf(node)]!;
    return tree.isPackage(node)
        ? shown(dataset.string(dataset.filePackage[dataset.functionFile[called]!]!)) || "unknown"
        : nameOfFunction(dataset, called);
}

/** A function whose name is not known is called after its file: files of tracemalloc have no names of functions. */
export function nameOfFunction(dataset: Dataset, called: number): string {
    const name = dataset.string(dataset.functionName[called]!);
    const file = dataset.string(dataset.fileName[dataset.functionFile[called]!]!);
    return shown(name || file.slice(file.lastIndexOf("/") + 1)) || "unknown";
}

/** "file.py:12"; "" if the box is not of one place. */
export function placeOf(graph: Graph, box: number): string {
    const node = graph.node(box);
    if (node === 0 || graph.tree.isSmaller(node) || graph.tree.isPackage(node)) {
        return "";
    }
    const { dataset, by } = graph.tree;
    const frame = graph.tree.frameOf(node);
    return placeOfFrame(dataset, frame, by === "line" ? dataset.frameLine[frame]! : lineOfFunction(dataset, frame));
}

export function placeOfFrame(dataset: Dataset, frame: number, line: number): string {
    const file = shown(dataset.string(dataset.fileName[dataset.functionFile[dataset.frameFunction[frame]!]!]!));
    return line > 0 ? `${file}:${line}` : file;
}

export function lineOfFunction(dataset: Dataset, frame: number): number {
    return dataset.functionLine[dataset.frameFunction[frame]!]!;
}

/** "own code", "installed package numpy", "standard library" … */
export function originText(graph: Graph, box: number): string {
    const node = graph.node(box);
    if (node === 0 || graph.tree.isSmaller(node)) {
        return "";
    }
    const { dataset } = graph.tree;
    const frame = graph.tree.frameOf(node);
    const origin = dataset.meta.origins[originOf(dataset, frame)] ?? "unknown";
    const name = shown(dataset.string(dataset.filePackage[dataset.functionFile[dataset.frameFunction[frame]!]!]!));
    return origin === "installed" ? `installed package ${name}` : (ORIGIN_WORDS[origin] ?? origin);
}

export const ORIGIN_WORDS: Readonly<Record<string, string>> = {
    own: "own code",
    installed: "installed package",
    stdlib: "standard library",
    imports: "import system",
    tracer: "this tracer",
    unknown: "unknown",
};

/** "+1.2 MiB", "new 1.2 MiB" or "same"; "" if nothing is compared. */
export function changeText(graph: Graph, box: number): string {
    if (!isCompared(graph.selection)) {
        return "";
    }
    const before = graph.before(box);
    const after = graph.after(box);
    const word = changeWord(before, after);
    return word === "same"
        ? word
        : `${word === "new" ? "new " : ""}${formatFigure(after - before, graph.selection.unit, true)}`;
}

/** The text on a box: what comes first survives in a narrow box. withChange: it is coloured by its change. */
export function labelOf(graph: Graph, box: number, withChange: boolean): string {
    const place = shortPath(placeOf(graph, box));
    const parts = withChange ? [sign(graph, box) + nameOf(graph, box), changeText(graph, box)] : [nameOf(graph, box)];
    return [...parts, place].filter((part) => part !== "").join("  ");
}

function sign(graph: Graph, box: number): string {
    if (!isCompared(graph.selection)) {
        return "";
    }
    const before = graph.before(box);
    const after = graph.after(box);
    return after === before ? "= " : before === 0 ? "* " : after > before ? "+ " : "- ";
}
