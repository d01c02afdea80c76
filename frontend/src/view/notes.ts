/** Sentences about what is shown: the share of a search, why a view is empty, what was merged, what is compared. */

import { SMALLER_FRAME } from "../data/dataset.ts";
import type { Meta } from "../data/head.ts";
import { formatAmount, MEASURE_WORDS, ownFigures } from "../model/figures.ts";
import { amountFound } from "../model/search.ts";
import { counted, formatDate, formatPercent, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import type { View } from "./work.ts";

/** What the page's maker merged because it is small, and how much of what is shown that is; "" if it is nothing. */
export function mergedNote({ dataset, selection }: View): string {
    const { merged } = dataset.meta;
    if (merged.nodes === 0) {
        return "";
    }
    const { after, measure, unit } = selection;
    const own = ownFigures(dataset, after, measure, unit);
    let amount = 0;
    let whole = 0;
    for (let node = 0; node < own.length; node++) {
        whole += own[node]!;
        amount += dataset.frame[node] === SMALLER_FRAME ? own[node]! : 0;
    }
    const least = merged.size ? formatSize(merged.size) : `${merged.percent}%`;
    const share = `${formatAmount(amount, unit)}, ${formatPercent(amount, whole) || "0.0%"} of what is shown`;
    return `${counted(merged.nodes, "place")} below ${least} (${share}) ${merged.nodes === 1 ? "is" : "are"} merged into boxes named "smaller".`;
}

/** Where callers may be missing. */
export function limitNote({ traceback_limit: limit }: Meta): string {
    if (limit === undefined || limit === 0) {
        return "";
    }
    return limit === 1
        ? "Tracebacks have one frame, so there are no callers: `run -n 25` keeps them."
        : `Tracebacks have at most ${limit} frames: of deeper ones the oldest callers are missing, and begin at the root.`;
}

/** Of a search within a box. */
export function resultText(view: View, zoom: number): string {
    const { search, graph, selection } = view;
    if (search.error !== "") {
        return `no regular expression: ${search.error}`;
    }
    if (!search.isOn) {
        return "";
    }
    const amount = amountFound(graph, zoom, search.frames);
    const whole = graph.width(zoom);
    return `${formatAmount(amount, selection.unit)}, ${formatPercent(amount, whole) || "0.0%"} of what is shown`;
}

export function whyEmpty(view: View): string {
    const { selection, compared, dataset } = view;
    if (compared && selection.shows === "gone") {
        return "Nothing shrank: no place has less than before.";
    }
    if (compared && selection.shows === "grown") {
        return "Nothing grew: no place has more than before.";
    }
    const label = shown(dataset.meta.states[selection.after]!.label);
    return `There is nothing to show: no block is ${MEASURE_WORDS[selection.measure]}${label === "" ? "" : ` (${label})`}.`;
}

/** Above a picture that is saved: what the page and the data are called, the measure, the states, and the page's date; each once. */
export function titleOf({ head, dataset, selection, state, compared }: View): string {
    const label = (index: number) => withoutBase(shown(dataset.meta.states[index]!.label));
    const states = compared ? `${label(selection.before)} to ${label(selection.after)}` : label(selection.after);
    const data = head.datasets.length > 1 ? shown(head.datasets[state.dataset]!.name) : "";
    const measure = `${MEASURE_WORDS[selection.measure]}, ${selection.unit === "size" ? "bytes" : "blocks"}`;
    const parts = new Set([shown(head.title), data, measure, states, formatDate(head.created)]);
    return [...parts].filter((part) => part !== "").join(" · ");
}

/** The label of a difference's base says so itself. */
export function withoutBase(label: string): string {
    return label.replace(/^base: /, "");
}

/** Below a graph. */
export function graphNotes(view: View): string {
    const { dataset, compared, selection } = view;
    const { states, is_diff, estimated } = dataset.meta;
    const notes: string[] = [];
    if (compared) {
        const [before, after] = [selection.before, selection.after].map((state) => withoutBase(shown(states[state]!.label)));
        notes.push(`Changes are from ${before}${is_diff ? ", the base," : ""} to ${after}.`);
    }
    notes.push(mergedNote(view), limitNote(dataset.meta));
    if (estimated) {
        notes.push("All figures are estimates from a sample.");
    }
    return notes.filter((note) => note !== "").join(" ");
}
