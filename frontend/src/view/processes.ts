/** The section with the processes that a program consisted of, each with a link to its own data. */

import type { Process } from "../data/head.ts";
import { formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { button, element } from "./dom.ts";
import type { Panel, Update } from "./panel.ts";
import type { View } from "./work.ts";

const HEADINGS = [
    ["Process", ""],
    ["PID", "number"],
    ["Live at its end", "number"],
    ["Peak", "number"],
    ["How it ended", ""],
    ["Command", ""],
] as const;

export class Processes implements Panel {
    readonly element = element("section", { class: "processes", attributes: { "aria-labelledby": "processes-name" } });
    private rows: readonly Process[] | null = null;

    constructor(private readonly update: Update) {}

    show({ dataset, state }: View): void {
        this.rows = dataset.meta.processes ?? this.rows; // only some datasets have the list
        const heading = element("h2", { id: "processes-name" }, "Processes");
        if (this.rows === null || this.rows.length === 0) {
            this.element.replaceChildren(heading, element("p", { class: "empty" }, "No other process is known."));
            return;
        }
        const head = HEADINGS.map(([words, kind]) => element("th", { class: kind, attributes: { scope: "col" } }, words));
        this.element.replaceChildren(
            heading,
            element(
                "div",
                { class: "wide" },
                element(
                    "table",
                    { class: "rows" },
                    element("thead", {}, element("tr", {}, ...head)),
                    element("tbody", {}, ...this.rows.map((process) => this.row(process, state.dataset))),
                ),
            ),
        );
    }

    private row(process: Process, current: number): HTMLElement {
        const { dataset } = process;
        const size = (bytes: number | null) =>
            element("td", { class: "number" }, bytes === null ? "not known" : formatSize(bytes));
        const name = shown(process.name) || "process";
        const cell = element("th", { attributes: { scope: "row" } });
        cell.style.paddingInlineStart = `${0.6 + 1.2 * process.depth}em`;
        if (dataset === null) {
            cell.append(name);
        } else {
            const link = button(
                name,
                () => this.update({ dataset, section: "flame", zoom: "0", selected: "", file: -1 }, true),
                {
                    class: "link",
                    title: "Show its data",
                },
            );
            if (dataset === current) {
                link.setAttribute("aria-current", "true");
            }
            cell.append(link);
        }
        return element(
            "tr",
            {},
            cell,
            element("td", { class: "number" }, process.pid === null ? "" : String(process.pid)),
            size(process.size),
            size(process.peak),
            element("td", {}, shown(process.end)),
            element("td", { class: "path" }, shown(process.command)),
        );
    }
}
