/** Sentences about what is shown: the share of a search, why a view is empty, what was merged, what is compared. */

import type { Meta } from "../data/head.ts";
import { formatAmount, MEASURE_WORDS } from "../model/figures.ts";
import { amountFound } from "../model/search.ts";
import { counted, formatPercent, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import type { View } from "./work.ts";

/** What the page's maker merged because it is small; "" if it is nothing. */
export function mergedNote({ merged }: Meta): string {
    if (merged.nodes === 0) {
        return "";
    }
    const least = merged.size ? formatSize(merged.size) : `${merged.percent}%`;
    return `${counted(merged.nodes, "place")} below ${least} ${merged.nodes === 1 ? "is" : "are"} merged into boxes named "smaller".`;
}

/** Of a search within a box. */
export function resultText(view: View, zoom: number): string {
    const { search, graph, selection } = view;
    if (search.error !== "") {
        return `no regular expression: ${search.error}`;
    }
    if (search.matches === null) {
        return "";
    }
    const amount = amountFound(graph, zoom, search.frames);
    const whole = graph.width(zoom);
    return `${formatAmount(amount, selection.unit)}, ${formatPercent(amount, whole) || "0.0%"} of what is shown`;
}

export function whyEmpty(view: View): string {
    const { selection, compared, dataset } = view;
    if (compared && selection.shows === "gone") {
        return "Nothing has gone: no place has less than before.";
    }
    if (compared && selection.shows === "grown") {
        return "Nothing grew: no place has more than before.";
    }
    const label = shown(dataset.meta.states[selection.after]!.label);
    return `There is nothing to show: no block is ${MEASURE_WORDS[selection.measure]}${label === "" ? "" : ` (${label})`}.`;
}

/** Below a graph. */
export function graphNotes({ dataset, compared, selection }: View): string {
    const { states, is_diff, estimated } = dataset.meta;
    const notes: string[] = [];
    if (compared) {
        const [before, after] = [selection.before, selection.after].map((state) => shown(states[state]!.label));
        notes.push(`Changes are from ${before} to ${after}${is_diff ? ", and the first one is the base" : ""}.`);
    }
    notes.push(mergedNote(dataset.meta));
    if (estimated) {
        notes.push("All figures are estimates from a sample.");
    }
    return notes.filter((note) => note !== "").join(" ");
}
