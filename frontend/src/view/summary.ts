/** The section with facts: the program, its totals in each state, whose code has most and which functions. */

import type { State, Totals } from "../data/head.ts";
import { formatFigure, isCompared } from "../model/figures.ts";
import { formatClock } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { element } from "./dom.ts";
import { highlights } from "./highlights.ts";
import { mergedNote, withoutBase } from "./notes.ts";
import type { LinkTo, Panel, Update } from "./panel.ts";
import type { View } from "./work.ts";

const TOTALS: readonly [string, "size" | "count", string][] = [
    ["size", "size", "live"],
    ["count", "count", "live blocks"],
    ["peak_size", "size", "live at the peak"],
    ["peak_count", "count", "blocks at the peak"],
    ["allocated_size", "size", "ever allocated"],
    ["allocated_count", "count", "blocks ever allocated"],
];
const MOST = 200; // rows

export class Summary implements Panel {
    readonly element = element("section", { class: "summary", attributes: { "aria-labelledby": "summary-name" } });

    constructor(
        private readonly update: Update,
        private readonly linkTo: LinkTo,
    ) {}

    show(view: View): void {
        const { meta } = view.dataset;
        const facts = meta.facts.flatMap(([name, text]) => [element("dt", {}, shown(name)), element("dd", {}, shown(text))]);
        const merged = mergedNote(view);
        this.element.replaceChildren(
            element("h2", { id: "summary-name" }, "Summary"),
            ...(merged === "" ? [] : [element("p", { class: "notes" }, merged)]),
            element("dl", { class: "facts" }, ...facts),
            element("h3", {}, "Totals"),
            element("div", { class: "wide" }, totalsTable(view)),
            element("p", { class: "notes base" }, baseNote(view)),
            ...highlights(view, this.update, this.linkTo),
        );
    }
}

function totalsTable({ dataset }: View): HTMLElement {
    const { states } = dataset.meta;
    const known = TOTALS.filter(([name]) => states.some(({ totals }) => totals[name] != null));
    const hasTimes = states.some(({ time }) => time !== null);
    const head = (words: string, kind = "number") => element("th", { class: kind, attributes: { scope: "col" } }, words);
    const row = (words: string, totals: Totals, signed = false) =>
        element(
            "tr",
            {},
            element("th", { attributes: { scope: "row" } }, words),
            ...known.map(([name, unit]) => {
                const figure = totals[name] ?? null;
                const attributes = { [signed ? "data-change" : "data-total"]: name };
                const text = figure === null ? "not known" : formatFigure(figure, unit, signed);
                return element("td", { class: "number", attributes }, text);
            }),
        );
    const rows = states.slice(0, MOST).map((state) => row(nameOfState(state), state.totals));
    if (dataset.meta.is_diff) {
        rows.push(row("change", changeOf(states), true));
    }
    return element(
        "table",
        { class: "rows" },
        element(
            "thead",
            {},
            element("tr", {}, head(hasTimes ? "time" : "state", ""), ...known.map(([, , words]) => head(words))),
        ),
        element("tbody", {}, ...rows),
    );
}

/** The label of a recording's state is its time. */
function nameOfState({ label, time }: State): string {
    return shown(label) || (time === null ? "total" : formatClock(time));
}

/** What is known of both. */
function changeOf(states: readonly State[]): Totals {
    const [older, newer] = [states[0]!.totals, states[1]!.totals];
    const change = ([name]: (typeof TOTALS)[number]) => {
        const [before, after] = [older[name] ?? null, newer[name] ?? null];
        return [name, before === null || after === null ? null : after - before];
    };
    return Object.fromEntries(TOTALS.map(change));
}

function baseNote({ dataset, selection }: View): string {
    const { is_diff, states, peak_known, churn_known } = dataset.meta;
    const notes = [
        is_diff && isCompared(selection)
            ? `The base is ${withoutBase(shown(states[0]!.label))}; the newer one is ${shown(states[1]!.label)}.`
            : "",
        states.length > MOST ? `The first ${MOST} of ${states.length} states are shown.` : "",
        peak_known ? "" : "What was live at the peak is not known.",
        churn_known ? "" : "What was allocated and freed again is not known.",
    ];
    return notes.filter((note) => note !== "").join(" ");
}
