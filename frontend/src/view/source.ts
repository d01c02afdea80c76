/**
 * The section with source files: each line with the bytes that it allocated, and in a comparison how that has changed.
 *
 * Model: the figures of a line are those of its row in `Sums` (file and line), own or total ones. Totals are shown first if the
 * program's code allocated little itself. Files are in the order of the same figures. The colour behind a figure is its share of
 * the largest line of all files, in steps; the figure itself is always there.
 */

import type { SourceFile } from "../data/head.ts";
import { formatFigure, isCompared, MEASURE_WORDS, type Measure, measuresOf } from "../model/figures.ts";
import { sumsOf } from "../model/sums.ts";
import { counted, formatPercent } from "../text/format.ts";
import { shown, shownSource } from "../text/names.ts";
import { button, checkbox, element, setNote } from "./dom.ts";
import { hasTotals, kindOf } from "./line_totals.ts";
import { mergedNote } from "./notes.ts";
import type { Panel, Update } from "./panel.ts";
import { measureControls } from "./toolbar.ts";
import type { View } from "./work.ts";

const HEAT = 5; // steps

interface FileFigures {
    source: SourceFile;
    name: string;
    figure: number;
}

/** A column of the lines of a file: a measure, or in a comparison how the one that is shown has changed. */
interface LineFigures {
    measure: Measure;
    words: string;
    byLine: Map<number, number>;
    most: number; // of any file's lines, whichever way they go
    isChange: boolean;
}

export class Source implements Panel {
    readonly element: HTMLElement;
    private readonly measures;
    private readonly totals;
    private readonly only;
    private readonly merged = element("p", { class: "notes" });
    private readonly files = element("ul", { class: "files" });
    private readonly code = element("div", { class: "code" });
    private drawn = "";

    constructor(private readonly update: Update) {
        this.measures = measureControls(update);
        this.totals = checkbox(
            "Totals",
            (on) => update({ lineTotals: on ? "on" : "off" }),
            "Also the blocks that were allocated in calls from the line",
        );
        this.only = checkbox("Hide lines without memory", (on) => update({ onlyMemory: on }));
        this.element = element(
            "section",
            { class: "source", attributes: { "aria-labelledby": "source-name" } },
            element("h2", { id: "source-name", class: "unseen" }, "Source"),
            element("div", { class: "toolbar" }, ...this.measures.elements, this.totals.element, this.only.element),
            this.merged,
            element(
                "div",
                { class: "sides" },
                element("nav", { attributes: { "aria-label": "Files" } }, this.files),
                this.code,
            ),
        );
    }

    show(view: View): void {
        const { state, dataset } = view;
        this.measures.show(view);
        this.totals.show(hasTotals(view));
        this.only.show(state.onlyMemory);
        const merged = dataset.meta.sources.length === 0 ? "" : mergedNote(view);
        setNote(this.merged, merged === "" ? "" : `${merged} Their memory is at no line.`);
        if (dataset.meta.sources.length === 0) {
            const why = dataset.meta.no_source || "This page was made without the source of the program.";
            this.files.replaceChildren();
            this.code.replaceChildren(element("p", { class: "empty" }, why));
            return;
        }
        const files = filesOf(view);
        const current = files.find(({ source }) => source.file === state.file) ?? files[0]!;
        this.showFiles(view, files, current);
        this.showCode(view, current);
    }

    private showFiles({ selection }: View, files: readonly FileFigures[], current: FileFigures): void {
        const items = files.map((file) => {
            const press = button("", () => this.update({ file: file.source.file, line: 0 }, true), { class: "file" });
            press.append(
                element("span", { class: "name" }, lastPart(file.name)),
                element("span", { class: "number" }, formatFigure(file.figure, selection.unit)),
                element("span", { class: "path" }, file.name),
            );
            if (file === current) {
                press.setAttribute("aria-current", "true");
            }
            return element("li", {}, press);
        });
        this.files.replaceChildren(...items);
    }

    private showCode(view: View, file: FileFigures): void {
        const { state, selection } = view;
        const needs = JSON.stringify([state.dataset, file.source.file, selection, hasTotals(view), state.onlyMemory]);
        if (needs !== this.drawn) {
            this.drawn = needs;
            this.code.replaceChildren(...codeOf(view, file));
        }
        this.goTo(state.line);
    }

    private goTo(line: number): void {
        this.code.querySelector(".current")?.classList.remove("current");
        const row = line > 0 ? this.code.querySelector<HTMLElement>(`[data-line="${line}"]`) : null;
        if (row !== null) {
            row.classList.add("current");
            const window = row.closest<HTMLElement>(".wide")!;
            window.scrollTop = row.offsetTop - window.offsetTop - window.clientHeight / 2;
        }
    }
}

function lastPart(path: string): string {
    return path.slice(path.lastIndexOf("/") + 1) || path;
}

function filesOf(view: View): FileFigures[] {
    const { dataset, selection } = view;
    const { after, measure, unit } = selection;
    const sums = sumsOf(dataset);
    const { rowOf, sample } = sums.rows("file");
    const figures = sums.column("file", kindOf(view), after, measure, unit);
    const ofFile = new Map<number, number>();
    sample.forEach((frame, row) => {
        if (row > 0) {
            ofFile.set(dataset.functionFile[dataset.frameFunction[frame]!]!, figures[rowOf[frame]!]!);
        }
    });
    const files = dataset.meta.sources.map((source) => ({
        source,
        name: shown(dataset.string(dataset.fileName[source.file]!)),
        figure: ofFile.get(source.file) ?? 0,
    }));
    return files.sort((a, b) => b.figure - a.figure || (a.name < b.name ? -1 : 1));
}

function codeOf(view: View, file: FileFigures): HTMLElement[] {
    const { dataset, selection } = view;
    const measures = measuresOf(dataset.meta).filter((name) => ["live", "peak", selection.measure].includes(name));
    const columns = measures.map((measure) => lineFigures(view, file.source.file, measure));
    if (isCompared(selection)) {
        columns.push(lineChanges(view, file.source.file));
    }
    const lines = file.source.text.split("\n");
    if (lines.at(-1) === "") {
        lines.pop();
    }
    const heading = (words: string, kind = "number") => element("th", { class: kind, attributes: { scope: "col" } }, words);
    const head = element(
        "tr",
        {},
        ...columns.map(({ words }) => heading(words)),
        heading("line"),
        heading(hasTotals(view) ? "source (totals)" : "source (own)", ""),
    );
    const table = element(
        "table",
        { class: "lines" },
        element("thead", {}, head),
        element("tbody", {}, ...rowsOf(view, columns, lines)),
    );
    const attributes = { tabindex: "0", role: "region", "aria-label": file.name };
    return [
        element("h3", {}, file.name),
        ...noteOf(view, file, columns, lines.length),
        element("div", { class: "wide", attributes }, table),
    ];
}

function cellOf({ graph, selection }: View, { measure, byLine, most, isChange }: LineFigures, line: number): HTMLElement {
    const { after, unit } = selection;
    const figure = byLine.get(line) ?? 0;
    const cell = element("td", { class: "number", attributes: { [isChange ? "data-change" : "data-measure"]: measure } });
    if (figure !== 0) {
        cell.textContent = formatFigure(figure, unit, isChange);
        const heat = Math.max(1, Math.ceil((HEAT * Math.abs(figure)) / most));
        cell.dataset[isChange && figure < 0 ? "shrunk" : "heat"] = String(heat);
        if (!isChange) {
            cell.title = `${formatPercent(figure, graph.total(0, after, measure, unit))} of everything`;
        }
    }
    return cell;
}

/** One row for each line, or for a run of lines that are hidden. */
function rowsOf(view: View, columns: readonly LineFigures[], lines: readonly string[]): HTMLElement[] {
    const { onlyMemory, line: wanted } = view.state;
    const rows: HTMLElement[] = [];
    let hidden = 0;
    const close = () => {
        if (hidden > 0) {
            const attributes = { colspan: String(columns.length + 2) };
            rows.push(element("tr", { class: "gap" }, element("td", { attributes }, counted(hidden, "line"))));
        }
        hidden = 0;
    };
    lines.forEach((text, index) => {
        const line = index + 1;
        if (onlyMemory && line !== wanted && columns.every(({ byLine }) => !byLine.get(line))) {
            hidden++;
            return;
        }
        close();
        rows.push(lineRow(view, columns, line, text));
    });
    close();
    return rows;
}

function noteOf({ selection }: View, { source }: FileFigures, columns: readonly LineFigures[], lines: number): HTMLElement[] {
    const notes = source.note === "" ? [] : [`Note: ${source.note}.`];
    const beyond = columns[0]!.byLine;
    const lost = [...beyond].filter(([line]) => line < 1 || line > lines).reduce((sum, [, figure]) => sum + figure, 0);
    if (lost > 0) {
        notes.push(`${formatFigure(lost, selection.unit)} at lines that this text does not have.`);
    }
    return notes.map((note) => element("p", { class: "note" }, note));
}

function lineFigures(view: View, file: number, measure: Measure): LineFigures {
    const column = columnOf(view, view.selection.after, measure);
    return { measure, words: MEASURE_WORDS[measure], ...figuresByLine(view, file, column), isChange: false };
}

function lineChanges(view: View, file: number): LineFigures {
    const { measure, before, after } = view.selection;
    const older = columnOf(view, before, measure);
    const change = columnOf(view, after, measure).map((figure, row) => figure - older[row]!);
    const words = `change, ${MEASURE_WORDS[measure]}`;
    return { measure, words, ...figuresByLine(view, file, change), isChange: true };
}

/** By row of `Sums`. */
function columnOf(view: View, at: number, measure: Measure): Float64Array {
    return sumsOf(view.dataset).column("line", kindOf(view), at, measure, view.selection.unit);
}

function figuresByLine({ dataset }: View, file: number, column: Float64Array): { byLine: Map<number, number>; most: number } {
    const { sample } = sumsOf(dataset).rows("line");
    const files = new Set(dataset.meta.sources.map((source) => source.file));
    const byLine = new Map<number, number>();
    let most = 0;
    for (let row = 1; row < sample.length; row++) {
        const frame = sample[row]!;
        const of = dataset.functionFile[dataset.frameFunction[frame]!]!;
        if (column[row]! !== 0 && files.has(of)) {
            most = Math.max(most, Math.abs(column[row]!));
            if (of === file) {
                byLine.set(dataset.frameLine[frame]!, column[row]!);
            }
        }
    }
    return { byLine, most };
}

function lineRow(view: View, columns: readonly LineFigures[], line: number, text: string): HTMLElement {
    return element(
        "tr",
        { attributes: { "data-line": String(line) } },
        ...columns.map((column) => cellOf(view, column, line)),
        element("td", { class: "number line" }, String(line)),
        element("td", { class: "text" }, shownSource(text)),
    );
}
