/** What a row of the table is called, where its code is, what the search looks at, and what finds the row in the flame graph. */

import { lineOfFunction, nameOfFunction, ORIGIN_WORDS, placeOfFrame } from "../draw/labels.ts";
import { queryOf, wantedOfRow } from "../model/exact.ts";
import type { RowKey } from "../model/groups.ts";
import { originOf } from "../model/merged.ts";
import { sumsOf } from "../model/sums.ts";
import { shown } from "../text/names.ts";
import type { ViewState } from "./state.ts";
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

/** 1 for each row that the search finds: by its text, or, if it is for exactly one thing, by any frame. null: there is no search. */
export function rowsFound(view: View): Uint8Array | null {
    const { search, dataset, state } = view;
    if (!search.isOn) {
        return null;
    }
    const { rowOf, count } = sumsOf(dataset).rows(state.rows);
    const found = new Uint8Array(count);
    const { matches } = search;
    if (matches !== null) {
        return found.map((_, row) => Number(row > 0 && matches(rowText(view, row))));
    }
    search.frames.forEach((isFound, frame) => {
        found[rowOf[frame]!]! |= isFound;
    });
    return found;
}

/** What leads to the row, and to nothing else, in the flame graph: what is found there is the row's total. */
export function toFlame({ dataset }: View, key: RowKey, row: number): Partial<ViewState> {
    const query = queryOf(wantedOfRow(dataset, sumsOf(dataset).rows(key), row));
    return { section: "flame", query, zoom: "0", selected: "", shows: "newer" };
}
