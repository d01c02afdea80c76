/**
 * Which column a view takes its numbers from.
 *
 * Model: a figure is a measure (live, at the peak, ever allocated, freed again) in a unit (bytes or blocks) of a state. All
 * figures by node are *own* figures; "freed" is not stored, it is what was allocated less what is live. A view of two states
 * has the newer one's figures ("after") and those of the older one ("before").
 */

import type { Dataset } from "../data/dataset.ts";
import type { Meta } from "../data/head.ts";
import { counted, formatCount, formatSize } from "../text/format.ts";

export type Measure = "live" | "peak" | "allocated" | "freed";
export type Unit = "size" | "count";
/** What the width of a box is: the newer state's figure, by how much it shrank ("gone"), or by how much it grew. */
export type Shows = "newer" | "gone" | "grown";

export interface Selection {
    measure: Measure;
    unit: Unit;
    before: number; // a state; equal to `after`: nothing is compared
    after: number;
    shows: Shows;
}

export const MEASURE_WORDS: Readonly<Record<Measure, string>> = {
    live: "live",
    peak: "live at the peak",
    allocated: "ever allocated",
    freed: "freed again",
};

const PREFIX = { live: "", peak: "peak_", allocated: "allocated_" };

export function measuresOf(meta: Meta): Measure[] {
    return [
        "live",
        ...(meta.peak_known ? ["peak" as const] : []),
        ...(meta.churn_known ? (["allocated", "freed"] as const) : []),
    ];
}

export function isCompared(selection: Selection): boolean {
    return selection.before !== selection.after;
}

/** The own figures of all nodes. Not to be changed: the dataset keeps them. */
export function ownFigures(dataset: Dataset, state: number, measure: Measure, unit: Unit): Float64Array {
    if (measure !== "freed") {
        return dataset.column(`s${state}.${PREFIX[measure]}${unit}`);
    }
    return dataset.keep(`s${state}.freed_${unit}`, () => {
        const live = dataset.column(`s${state}.${unit}`);
        return dataset.column(`s${state}.allocated_${unit}`).map((allocated, node) => allocated - live[node]!);
    });
}

/**
 * What the widths of boxes add up, by node. What grew or shrank is found traceback by traceback, so it is the same however frames
 * are merged; what shrank or grew elsewhere is not taken off.
 */
export function widthFigures(dataset: Dataset, selection: Selection): Float64Array {
    const { measure, unit, before, after, shows } = selection;
    const newer = ownFigures(dataset, after, measure, unit);
    if (!isCompared(selection) || shows === "newer") {
        return newer;
    }
    const older = ownFigures(dataset, before, measure, unit);
    const sign = shows === "gone" ? -1 : 1;
    return dataset.keep(`${shows} ${before} ${after} ${measure} ${unit}`, () =>
        newer.map((figure, node) => Math.max(0, sign * (figure - older[node]!))),
    );
}

/** A figure as text: "12.3 MiB" or "1,234". */
export function formatFigure(figure: number, unit: Unit, signed = false): string {
    return unit === "size" ? formatSize(figure, signed) : formatCount(figure, signed);
}

/** A figure that says its unit: "12.3 MiB" or "1,234 blocks". */
export function formatAmount(figure: number, unit: Unit): string {
    return unit === "size" ? formatSize(figure) : counted(figure, "block");
}
