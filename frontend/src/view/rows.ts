/** What a row of the table is called, where its code is, and what the search looks at. */

import { lineOfFunction, nameOfFunction, ORIGIN_WORDS, placeOfFrame } from "../draw/labels.ts";
import { originOf } from "../model/merged.ts";
import { sumsOf } from "../model/sums.ts";
import { shown } from "../text/names.ts";
import type { View } from "./work.ts";

export interface Described {
    name: string;
    detail: string;
    file: number; // of the source; -1: the row has no one place
    line: number;
}

export function described(view: View, row: number): Described {
    const { dataset, state } = view;
    const frame = sumsOf(dataset).rows(state.rows).sample[row]!;
    const called = dataset.frameFunction[frame]!;
    const file = dataset.functionFile[called]!;
    const text = (id: number) => shown(dataset.string(id)) || "unknown";
    const origin = ORIGIN_WORDS[dataset.meta.origins[originOf(dataset, frame)] ?? ""] ?? "";
    switch (state.rows) {
        case "function": {
            const line = lineOfFunction(dataset, frame);
            return { name: nameOfFunction(dataset, called), detail: placeOfFrame(dataset, frame, line), file, line };
        }
        case "line": {
            const line = dataset.frameLine[frame]!;
            return { name: nameOfFunction(dataset, called), detail: placeOfFrame(dataset, frame, line), file, line };
        }
        case "file":
            return { name: text(dataset.fileName[file]!), detail: origin, file, line: 0 };
        case "module":
            return { name: text(dataset.fileModule[file]!), detail: origin, file: -1, line: 0 };
        default:
            return { name: text(dataset.filePackage[file]!), detail: origin, file: -1, line: 0 };
    }
}

/** What the search looks at. */
export function rowText(view: View, row: number): string {
    const { name, detail } = described(view, row);
    return `${name}\n${detail}`;
}

/** A search that finds the row in the flame graph. */
export function nameToFind(view: View, row: number): string {
    const { name, detail } = described(view, row);
    return view.state.rows === "line" ? detail : name;
}
