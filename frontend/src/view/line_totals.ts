/** Whether the lines of source have own or total figures: as the user chose, or as suits the program. */

import { type Dataset, SMALLER_FRAME } from "../data/dataset.ts";
import { measuresOf, ownFigures } from "../model/figures.ts";
import { ownAndTotal } from "../model/groups.ts";
import type { Kind } from "../model/sums.ts";
import type { View } from "./work.ts";

export function kindOf(view: View): Kind {
    return hasTotals(view) ? "total" : "own";
}

export function hasTotals({ state, head, dataset }: View): boolean {
    return state.lineTotals === "auto" ? allocatesLittle(dataset, head.start?.measure) : state.lineTotals === "on";
}

const LITTLE = 0.1; // of what was allocated in calls from the lines
const kept = new WeakMap<Dataset, boolean>();

/** Did the lines themselves allocate little of what they and their calls did? Of the measure that the page begins with. */
function allocatesLittle(dataset: Dataset, first = ""): boolean {
    let isLittle = kept.get(dataset);
    if (isLittle === undefined) {
        const { meta, frames, frameFunction, functionFile } = dataset;
        const files = new Set(meta.sources.map(({ file }) => file));
        const measure = measuresOf(meta).find((name) => name === first) ?? "live";
        const isShown = Uint8Array.from({ length: frames }, (_, frame) =>
            Number(frame > SMALLER_FRAME && files.has(functionFile[frameFunction[frame]!]!)),
        );
        const { own, total } = ownAndTotal(dataset, isShown, ownFigures(dataset, meta.states.length - 1, measure, "size"));
        isLittle = own < LITTLE * total;
        kept.set(dataset, isLittle);
    }
    return isLittle;
}
