/**
 * Colours of boxes: by whose code it is, or by how much memory has changed.
 *
 * Model: a colour is a number, and a palette has a fill for each, for light and for dark pages. The text on every fill is the
 * palette's `text`, with a contrast of 4.5 or more (test/colours.test.ts). The hues are those of Okabe and Ito's set and a
 * scale from red to blue, which people who do not tell red from green can tell apart; no fact is told by colour alone.
 */

import type { Graph } from "../model/graph.ts";
import { originOf } from "../model/merged.ts";

export interface Palette {
    text: string;
    background: string;
    fills: readonly string[];
    found: string; // around a box that the search found
    selected: string;
    faded: string; // the fill of a box that it did not find
    fadedText: string;
    rest: string;
}

// The numbers of the fills.
export const OWN = 0;
export const STDLIB = 1;
export const IMPORTS = 2;
export const TRACER = 3;
export const UNKNOWN = 4;
export const NEUTRAL = 5;
export const INSTALLED = 6; // and the three behind it
export const SAME = 10;
export const NEW = 11;
export const GROWN = 12; // and the two behind it: more
export const SHRUNK = 15;

export const LIGHT: Palette = {
    text: "#16181d",
    background: "#ffffff",
    // biome-ignore format: one line for each family
    fills: [
        "#f5b25c", "#9ecbe8", "#c3cad4", "#d7cfc4", "#dcdcdc", "#e6e8ec",
        "#83cfb2", "#c6b3ea", "#e3d56b", "#ecaccb",
        "#d9dbe0", "#c79bf0",
        "#f9cfc4", "#f4a391", "#ec7a66",
        "#cfe1f5", "#98c3ee", "#6aa6e4",
    ],
    found: "#16181d",
    selected: "#0b57d0",
    faded: "#eceef1",
    fadedText: "#5b616b",
    rest: "#d3d6db",
};

export const DARK: Palette = {
    text: "#f4f5f7",
    background: "#16181d",
    // biome-ignore format: one line for each family
    fills: [
        "#8a5410", "#245f86", "#4d5665", "#5d5346", "#55585e", "#3a3f48",
        "#1f6b50", "#5d4794", "#665d12", "#853f62",
        "#464b55", "#6f36a8",
        "#6e3a33", "#92392d", "#b5341f",
        "#2d4a69", "#245b93", "#1a66b8",
    ],
    found: "#ffffff",
    selected: "#8ab4f8",
    faded: "#23272e",
    fadedText: "#a3aab5",
    rest: "#4a505b",
};

/** The palettes' number for a box, by whose code it is. */
export function colourByOrigin(graph: Graph, box: number): number {
    const { tree } = graph;
    const node = graph.node(box);
    if (box === 0 || node === 0 || tree.isSmaller(node)) {
        return NEUTRAL;
    }
    const { dataset } = tree;
    const frame = tree.frameOf(node);
    switch (dataset.meta.origins[originOf(dataset, frame)]) {
        case "own":
            return OWN;
        case "installed":
            return (
                INSTALLED + hashOf(dataset.string(dataset.filePackage[dataset.functionFile[dataset.frameFunction[frame]!]!]!))
            );
        case "stdlib":
            return STDLIB;
        case "imports":
            return IMPORTS;
        case "tracer":
            return TRACER;
        default:
            return UNKNOWN;
    }
}

/** 0 to 3, the same for a package in every file. */
function hashOf(text: string): number {
    let hash = 7;
    for (let i = 0; i < text.length; i++) {
        hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
    }
    return (hash ^ (hash >>> 8)) & 3;
}

/** The palettes' number for a figure that was `before` and is `after`. */
export function colourOfChange(before: number, after: number): number {
    if (after === before) {
        return SAME;
    }
    if (before === 0) {
        return NEW;
    }
    const share = Math.abs(after - before) / Math.max(after, before);
    const step = share < 0.1 ? 0 : share < 0.4 ? 1 : 2;
    return (after > before ? GROWN : SHRUNK) + step;
}

/** What the colour says, in words. */
export function changeWord(before: number, after: number): string {
    return after === before ? "same" : before === 0 ? "new" : after === 0 ? "gone" : after > before ? "grown" : "shrunk";
}
