/**
 * What a person asks first: whose code the memory is of, and which functions have most of it.
 *
 * Model: the tables are of own figures in bytes, of all measures that are known, in the state that is shown last. Rows that have
 * nothing are left out. The functions are those with most of the measure that the page begins with. If that is what is live, and
 * much more was live at the peak, there is a list of the peak's as well, by the same rule as in `ctracemalloc report`
 * (python/ctracemalloc/model/sums.py, peak_stands_out).
 */

import { ORIGIN_WORDS } from "../draw/labels.ts";
import { formatFigure, MEASURE_WORDS, type Measure, measuresOf } from "../model/figures.ts";
import type { RowKey } from "../model/groups.ts";
import { originOf } from "../model/merged.ts";
import { sumsOf } from "../model/sums.ts";
import { formatPercent } from "../text/format.ts";
import { button, element } from "./dom.ts";
import type { LinkTo, Update } from "./panel.ts";
import { described, toFlame } from "./rows.ts";
import type { View } from "./work.ts";

const MOST_ROWS = 8;
const PEAK_RATIO = 1.5;
const PEAK_BYTES = 64 * 1024;
const MOST_NOT_SHOWN = 0.001; // of the whole: an origin with less of every measure has no row

const WORDS: Readonly<Record<string, string>> = {
    ...ORIGIN_WORDS,
    installed: "installed packages",
    unknown: "no Python frame",
};

type Figures = ReadonlyMap<Measure, Float64Array>;

export function highlights(view: View, update: Update, linkTo: LinkTo): HTMLElement[] {
    return [
        element("h3", {}, "Whose code"),
        element("div", { class: "wide" }, originTable(view)),
        ...measuresListed(view).flatMap((measure) => functionList(view, measure, update, linkTo)),
    ];
}

/** Each has a list of functions. */
function measuresListed({ dataset, head, selection }: View): Measure[] {
    const known = measuresOf(dataset.meta);
    const first = known.find((measure) => measure === head.start?.measure) ?? "live";
    const totals = dataset.meta.states[selection.after]!.totals;
    const isSecond = first === "live" && known.includes("peak") && peakStandsOut(totals["size"] ?? 0, totals["peak_size"] ?? 0);
    return isSecond ? ["live", "peak"] : [first];
}

/** live, most: bytes, at the end and at the peak. */
export function peakStandsOut(live: number, most: number): boolean {
    return most >= PEAK_RATIO * live && most - live >= PEAK_BYTES;
}

function functionList(view: View, measure: Measure, update: Update, linkTo: LinkTo): HTMLElement[] {
    const all = { section: "table", rows: "function", sort: `${measure}.own`, ascending: false, query: "" } as const;
    const rows = rowsWithMost(view, measure);
    return [
        element("h3", {}, `Functions with most ${measure === "live" ? "live memory" : `memory ${MEASURE_WORDS[measure]}`}`),
        rows.length === 0
            ? element("p", { class: "empty" }, `There is nothing to show: no block is ${MEASURE_WORDS[measure]}.`)
            : element("div", { class: "wide" }, functionTable(view, measure, rows, update, linkTo)),
        element(
            "p",
            {},
            button("All rows", () => update(all, true), { class: "link" }),
        ),
    ];
}

function figuresOf(view: View, key: RowKey): Figures {
    const { dataset, selection } = view;
    const sums = sumsOf(dataset);
    const of = (measure: Measure) => sums.column(key, "own", selection.after, measure, "size");
    return new Map(measuresOf(dataset.meta).map((measure) => [measure, of(measure)]));
}

function originTable(view: View): HTMLElement {
    const { dataset } = view;
    const { origins } = dataset.meta;
    const { sample, count } = sumsOf(dataset).rows("package");
    const byPackage = figuresOf(view, "package");
    const byOrigin = new Map([...byPackage].map(([measure, figures]) => [measure, sumsByOrigin(figures)] as const));

    /** One more row behind the origins: what was merged, and what has no traceback. */
    function sumsByOrigin(figures: Float64Array): Float64Array {
        const found = new Float64Array(origins.length + 1);
        found[origins.length] = figures[0]!;
        for (let row = 1; row < count; row++) {
            found[originOf(dataset, sample[row]!)]! += figures[row]!;
        }
        return found;
    }

    const wholes = wholesOf(byOrigin);
    const isShown = (row: number) =>
        [...byOrigin].some(([measure, figures]) => figures[row]! > MOST_NOT_SHOWN * wholes.get(measure)!);
    const rows = [...Array(origins.length + 1).keys()].filter(isShown);
    const name = (row: number) => WORDS[origins[row] ?? ""] ?? "merged, or without a traceback";
    return table("Code", byOrigin, wholes, rows, (row) => element("th", { attributes: { scope: "row" } }, name(row)));
}

function rowsWithMost({ dataset, selection }: View, measure: Measure): number[] {
    const figures = sumsOf(dataset).column("function", "own", selection.after, measure, "size");
    const rows = [...figures.keys()].filter((row) => row > 0 && figures[row]! > 0);
    return rows.sort((a, b) => figures[b]! - figures[a]! || a - b).slice(0, MOST_ROWS);
}

function functionTable(view: View, measure: Measure, rows: readonly number[], update: Update, linkTo: LinkTo): HTMLElement {
    const byFunction = figuresOf(view, "function");
    const ofFunctions = { ...view, state: { ...view.state, rows: "function" as const } };
    return table("Function", byFunction, wholesOf(byFunction), rows, (row) => {
        const { name, detail, file, line } = described(ofFunctions, row);
        const find = button(name, () => update({ ...toFlame(view, "function", row), measure, unit: "size" }, true), {
            class: "link",
            title: "Find it in the flame graph",
        });
        const place = linkTo(file, line, detail);
        place.classList.add("path");
        return element("th", { attributes: { scope: "row" } }, find, " ", place);
    });
}

function wholesOf(figures: Figures): ReadonlyMap<Measure, number> {
    return new Map([...figures].map(([measure, column]) => [measure, column.reduce((sum, figure) => sum + figure, 0)]));
}

function table(
    heading: string,
    figures: Figures,
    wholes: ReadonlyMap<Measure, number>,
    rows: readonly number[],
    nameCell: (row: number) => HTMLElement,
): HTMLElement {
    const head = [...figures.keys()].map((measure) =>
        element("th", { class: "number", attributes: { scope: "col" } }, MEASURE_WORDS[measure]),
    );
    const cells = (row: number) =>
        [...figures].map(([measure, column]) =>
            element(
                "td",
                { class: "number", attributes: { "data-measure": measure } },
                formatFigure(column[row]!, "size"),
                element("small", {}, ` ${formatPercent(column[row]!, wholes.get(measure)!)}`),
            ),
        );
    return element(
        "table",
        { class: "rows" },
        element("thead", {}, element("tr", {}, element("th", { attributes: { scope: "col" } }, heading), ...head)),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, nameCell(row), ...cells(row)))),
    );
}
