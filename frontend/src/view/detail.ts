/**
 * Everything about one box: its name, its place, and its own and total figures of each measure.
 *
 * Model: the box is the selected one, or the one that is zoomed into. Each figure is in a cell with a data-figure attribute,
 * "MEASURE.own.size". In a comparison there is a row for the newer state, one for the base and one for the change.
 */

import { changeText, lineOfFunction, nameOf, originText, placeOf } from "../draw/labels.ts";
import { formatAmount, formatFigure, MEASURE_WORDS, type Measure, measuresOf, type Unit } from "../model/figures.ts";
import { formatPercent } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { element } from "./dom.ts";
import type { LinkTo } from "./panel.ts";
import type { View } from "./work.ts";

const COLUMNS: readonly ["total" | "own", Unit, string][] = [
    ["total", "size", "Total bytes"],
    ["total", "count", "Total blocks"],
    ["own", "size", "Own bytes"],
    ["own", "count", "Own blocks"],
];

export class Detail {
    readonly element = element("section", { class: "detail", attributes: { "aria-labelledby": "detail-name" } });

    constructor(private readonly linkTo: LinkTo) {}

    show(view: View, box: number): void {
        const { graph } = view;
        this.element.dataset["box"] = graph.address(box);
        this.element.replaceChildren(
            element("h3", { id: "detail-name" }, nameOf(graph, box)),
            this.placeLine(view, box),
            element("p", { class: "share" }, shareText(view, box)),
            element("div", { class: "wide" }, this.table(view, box)),
        );
    }

    private placeLine({ graph, dataset }: View, box: number): HTMLElement {
        const origin = originText(graph, box);
        const place = placeOf(graph, box);
        if (place === "") {
            return element("p", { class: "path" }, whatItIs(graph, box) + origin);
        }
        const frame = graph.tree.frameOf(graph.node(box));
        const line = graph.tree.by === "line" ? dataset.frameLine[frame]! : lineOfFunction(dataset, frame);
        const link = this.linkTo(dataset.functionFile[dataset.frameFunction[frame]!]!, line, place);
        return element("p", { class: "path" }, link, origin === "" ? "" : ` · ${origin}`);
    }

    private table(view: View, box: number): HTMLElement {
        const rows = measuresOf(view.dataset.meta).flatMap((measure) => this.rows(view, box, measure));
        const head = COLUMNS.map(([, , words]) => element("th", { attributes: { scope: "col" } }, words));
        return element(
            "table",
            { class: "figures" },
            element("thead", {}, element("tr", {}, element("td"), ...head)),
            element("tbody", {}, ...rows),
        );
    }

    private rows(view: View, box: number, measure: Measure): HTMLElement[] {
        const { selection, compared, dataset } = view;
        const figures = (state: number) => COLUMNS.map(([kind, unit]) => view.graph[kind](box, state, measure, unit));
        const after = figures(selection.after);
        const row = (words: string, values: number[], name: string, signed: boolean) =>
            element(
                "tr",
                {},
                element("th", { attributes: { scope: "row" } }, words),
                ...values.map((value, i) => {
                    const [kind, unit] = COLUMNS[i]!;
                    const attributes = { "data-figure": `${name}.${kind}.${unit}` };
                    return element("td", { attributes }, formatFigure(value, unit, signed));
                }),
            );
        const words = MEASURE_WORDS[measure];
        if (!compared) {
            return [row(words, after, measure, false)];
        }
        const before = figures(selection.before);
        const labels = [selection.after, selection.before].map((state) => shown(dataset.meta.states[state]!.label));
        const change = after.map((value, i) => value - before[i]!);
        return [
            row(`${words}, ${labels[0]}`, after, `${measure}.after`, false),
            row(`${words}, ${labels[1]}`, before, `${measure}.before`, false),
            row(`${words}, change`, change, `${measure}.change`, true),
        ];
    }
}

function whatItIs(graph: View["graph"], box: number): string {
    const node = graph.node(box);
    if (node !== 0 && graph.tree.isPackage(node)) {
        return "code that is not the program's own, from here to the program's next frame · ";
    }
    return node !== 0 && graph.tree.isSmaller(node) ? "places that are too small to be told one by one" : "";
}

function shareText(view: View, box: number): string {
    const { graph, selection } = view;
    const amount = formatAmount(graph.width(box), selection.unit);
    const percent = formatPercent(graph.width(box), graph.width(0));
    const change = changeText(graph, box);
    return `${amount}${percent === "" ? "" : `, ${percent} of everything`}${change === "" ? "" : `, ${change}`}`;
}
