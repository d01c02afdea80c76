/**
 * What a person asks first: whose code the memory is of, and which functions have most of it.
 *
 * Model: both tables are of own figures in bytes, of all measures that are known, in the state that is shown last. Rows that have
 * nothing are left out.
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
        element("h3", {}, "Functions with most live memory"),
        element("div", { class: "wide" }, functionTable(view, update, linkTo)),
        element(
            "p",
            {},
            button("All rows", () => update({ section: "table", rows: "function", sort: "", query: "" }, true), {
                class: "link",
            }),
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

function functionTable(view: View, update: Update, linkTo: LinkTo): HTMLElement {
    const byFunction = figuresOf(view, "function");
    const live = byFunction.get("live")!;
    const rows = [...live.keys()].filter((row) => row > 0 && live[row]! > 0).sort((a, b) => live[b]! - live[a]! || a - b);
    const ofFunctions = { ...view, state: { ...view.state, rows: "function" as const } };
    return table("Function", byFunction, wholesOf(byFunction), rows.slice(0, MOST_ROWS), (row) => {
        const { name, detail, file, line } = described(ofFunctions, row);
        const find = button(name, () => update({ ...toFlame(view, "function", row), measure: "live", unit: "size" }, true), {
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
