/**
 * The section with the table: functions, lines, files, modules or packages with their figures.
 *
 * Model: a column is a name ("live.own") with its figures by row. Rows are those that have any figure and whose name the search
 * finds, in the order of a column; the first ones are shown, and more on request. A row of the table is a row of `Sums`.
 */

import { formatAmount, formatFigure, MEASURE_WORDS, type Measure, measuresOf } from "../model/figures.ts";
import { ROW_KEYS, type RowKey } from "../model/groups.ts";
import { type Kind, type Sums, sumsOf } from "../model/sums.ts";
import { formatCount, formatPercent } from "../text/format.ts";
import { button, choice, element, setNote, setText } from "./dom.ts";
import { mergedNote } from "./notes.ts";
import type { LinkTo, Panel, Update } from "./panel.ts";
import { described, rowsFound, rowText, toFlame } from "./rows.ts";
import { measureControls, searchField } from "./toolbar.ts";
import type { View } from "./work.ts";

const STEP = 100; // rows

interface Column {
    name: string;
    words: string;
    figures: Float64Array;
    signed: boolean;
}

export class Table implements Panel {
    readonly element: HTMLElement;
    readonly search;
    private readonly measures;
    private readonly rowKey;
    private readonly status = element("p", { id: "filter-result", class: "result", attributes: { role: "status" } });
    private readonly table = element("table", { class: "rows" });
    private readonly more = element("p", {});
    private readonly notes = element("p", { class: "notes" });
    private limit = STEP;
    private shownFor = "";
    private view: View | null = null;

    constructor(
        private readonly update: Update,
        private readonly linkTo: LinkTo,
    ) {
        this.measures = measureControls(update);
        this.rowKey = choice<RowKey>("Rows", (value) => update({ rows: value }));
        this.search = searchField(update, "filter", () => this.table.querySelector("button")?.focus());
        this.element = element(
            "section",
            { class: "table", attributes: { "aria-labelledby": "table-name" } },
            element("h2", { id: "table-name", class: "unseen" }, "Table"),
            element("div", { class: "toolbar" }, this.rowKey.element, ...this.measures.elements),
            element("div", { class: "searching" }, this.search.element, this.status),
            this.notes,
            element("div", { class: "wide" }, this.table),
            this.more,
        );
    }

    show(view: View): void {
        const { state } = view;
        this.view = view;
        this.measures.show(view);
        this.search.show(view);
        this.rowKey.show(
            ROW_KEYS.map((key) => [key, `by ${key}`]),
            state.rows,
        );
        const shownFor = `${state.rows} ${state.query} ${state.dataset}`;
        this.limit = shownFor === this.shownFor ? this.limit : STEP;
        this.shownFor = shownFor;
        this.fill(view);
    }

    private fill(view: View): void {
        const { state, dataset } = view;
        const sums = sumsOf(dataset);
        const columns = columnsOf(view, sums);
        const sort = sortedBy(view, columns);
        const all = rowsWithFigures(sums.rows(state.rows).count, columns);
        const matching = rowsFound(view);
        const found = all.filter((row) => matching === null || matching[row] === 1);
        const order = sortRows(view, found, columns, sort);
        const rows = order.slice(0, this.limit);
        this.table.replaceChildren(
            element("thead", {}, element("tr", {}, ...this.headings(view, columns, sort))),
            element("tbody", {}, ...rows.map((row) => this.row(view, columns, row))),
        );
        setText(this.status, statusOf(view, rows.length, found.length, all.length));
        setNote(this.notes, notesOf(view, sums));
        const rest = found.length - rows.length;
        const next = Math.min(rest, 5 * STEP);
        this.more.replaceChildren(...(rest > 0 ? [button(`Show ${formatCount(next)} more`, () => this.showMore())] : []));
    }

    private showMore(): void {
        this.limit += 5 * STEP;
        this.fill(this.view!);
    }

    private headings(view: View, columns: readonly Column[], sort: string): HTMLElement[] {
        const heading = (name: string, words: string) => {
            const isSorted = sort === name;
            const attributes: Record<string, string> = { scope: "col", "data-column": name };
            if (isSorted) {
                attributes["aria-sort"] = view.state.ascending ? "ascending" : "descending";
            }
            const ascending = isSorted ? !view.state.ascending : name === "name";
            const press = button(words, () => this.sortBy(name, ascending));
            press.append(
                element(
                    "span",
                    { attributes: { "aria-hidden": "true" } },
                    isSorted ? (view.state.ascending ? " ▲" : " ▼") : "",
                ),
            );
            return element("th", { attributes, class: name === "name" ? "name" : "number" }, press);
        };
        return [heading("name", HEADINGS[view.state.rows]), ...columns.map(({ name, words }) => heading(name, words))];
    }

    private sortBy(name: string, ascending: boolean): void {
        this.update({ sort: name, ascending });
        this.table.querySelector<HTMLElement>(`[data-column="${name}"] button`)?.focus();
    }

    private row(view: View, columns: readonly Column[], row: number): HTMLElement {
        const { unit } = view.selection;
        const cells = columns.map(({ name, figures, signed }) => {
            const cell = element(
                "td",
                { class: "number", attributes: { "data-column": name } },
                formatFigure(figures[row]!, unit, signed),
            );
            if (!signed && name.startsWith(`${view.selection.measure}.`)) {
                const share = formatPercent(figures[row]!, wholeOf(view, name));
                cell.append(element("small", {}, share === "" ? "" : ` ${share}`));
            }
            return cell;
        });
        return element("tr", {}, this.nameCell(view, row), ...cells);
    }

    private nameCell(view: View, row: number): HTMLElement {
        const { name, detail, file, line } = described(view, row);
        const find = button(name, () => this.update(toFlame(view, view.state.rows, row), true), {
            class: "link",
            title: "Find it in the flame graph",
        });
        const place = file >= 0 ? this.linkTo(file, line, detail) : element("span", {}, detail);
        place.classList.add("path");
        return element("th", { attributes: { scope: "row" } }, find, " ", place);
    }
}

const HEADINGS: Readonly<Record<RowKey, string>> = {
    function: "Function",
    line: "Line",
    file: "File",
    module: "Module",
    package: "Package",
};

function wholeOf({ graph, selection }: View, name: string): number {
    const measure = name.split(".")[0] as Measure;
    return graph.total(0, selection.after, measure, selection.unit);
}

function columnsOf(view: View, sums: Sums): Column[] {
    const { state, selection, dataset, compared } = view;
    const { unit, after, before, measure } = selection;
    const kinds: readonly Kind[] = ["own", "total"];
    const figures = (kind: Kind, of: Measure, at: number) => sums.column(state.rows, kind, at, of, unit);
    const changes = kinds.map((kind): Column => {
        const older = figures(kind, measure, before);
        const change = figures(kind, measure, after).map((figure, row) => figure - older[row]!);
        return { name: `change.${kind}`, words: `change, ${kind}`, figures: change, signed: true };
    });
    const known = measuresOf(dataset.meta).flatMap((of) =>
        kinds.map(
            (kind): Column => ({
                name: `${of}.${kind}`,
                words: `${MEASURE_WORDS[of]}, ${kind}`,
                figures: figures(kind, of, after),
                signed: false,
            }),
        ),
    );
    return compared ? [...changes, ...known] : known;
}

function sortedBy({ state, compared }: View, columns: readonly Column[]): string {
    const isThere = state.sort === "name" || columns.some(({ name }) => name === state.sort);
    return isThere ? state.sort : compared ? "change.own" : `${state.measure}.own`;
}

function rowsWithFigures(count: number, columns: readonly Column[]): number[] {
    const rows: number[] = [];
    for (let row = 1; row < count; row++) {
        if (columns.some(({ figures }) => figures[row] !== 0)) {
            rows.push(row);
        }
    }
    return rows;
}

function sortRows(view: View, rows: readonly number[], columns: readonly Column[], sort: string): number[] {
    const sign = view.state.ascending ? 1 : -1;
    if (sort === "name") {
        const names = new Map(rows.map((row) => [row, rowText(view, row)]));
        return [...rows].sort((a, b) => sign * (names.get(a)! < names.get(b)! ? -1 : 1));
    }
    const { figures, signed } = columns.find(({ name }) => name === sort)!;
    // Of changes, the largest come first, whichever way they go.
    const rank = signed && !view.state.ascending ? (row: number) => Math.abs(figures[row]!) : (row: number) => figures[row]!;
    return [...rows].sort((a, b) => sign * (rank(a) - rank(b)) || figures[b]! - figures[a]! || a - b);
}

/** Row 0 has what no other row has: blocks at places that were merged, and those without a traceback. */
function notesOf(view: View, sums: Sums): string {
    const { state, selection } = view;
    const { after, measure, unit } = selection;
    const rest = sums.column(state.rows, "own", after, measure, unit)[0]!;
    const merged = mergedNote(view);
    if (rest === 0) {
        return merged;
    }
    const amount = formatAmount(rest, unit);
    return merged === ""
        ? `${amount} without a traceback are in no row.`
        : `${merged} ${amount} of these or without a traceback are in no row.`;
}

function statusOf(view: View, rows: number, found: number, all: number): string {
    if (view.search.error !== "") {
        return `no regular expression: ${view.search.error}`;
    }
    if (all === 0) {
        return "There is nothing to show: no block is known.";
    }
    const filtered = found < all ? `, filtered from ${formatCount(all)}` : "";
    return `showing ${formatCount(rows)} of ${formatCount(found)}${filtered}`;
}
