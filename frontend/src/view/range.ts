/** The section of a recording: what the timeline's range begins and ends with, and what happened. */

import { formatClock, formatCount, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { button, element } from "./dom.ts";
import type { Panel, Update } from "./panel.ts";
import { momentText } from "./timeline.ts";
import type { View } from "./work.ts";

export class Range implements Panel {
    readonly element = element("section", { attributes: { "aria-labelledby": "range-name" } });

    constructor(private readonly update: Update) {}

    show({ dataset, state }: View): void {
        const { states, timeline } = dataset.meta;
        const [from, to] = [state.before, state.after].map((index) => momentText(states, index));
        const [before, after] = [state.before, state.after].map((index) => states[index]!.totals);
        const size = (after!["size"] ?? 0) - (before!["size"] ?? 0);
        const count = (after!["count"] ?? 0) - (before!["count"] ?? 0);
        const facts = [
            ["begin of the range", from!],
            ["end of the range", to!],
            ["change", `${formatSize(size, true)} in ${formatCount(count, true)} blocks`],
            ["how it ended", shown(timeline?.ended ?? "")],
            ["moments to choose", formatCount(states.length)],
        ];
        const events = (timeline?.events ?? []).map(([seconds, what]) => `${formatClock(seconds)}: ${shown(what)}`);
        this.element.replaceChildren(
            element("h2", { id: "range-name" }, "The range"),
            element(
                "dl",
                { class: "facts" },
                ...facts
                    .filter(([, text]) => text !== "")
                    .flatMap(([name, text]) => [element("dt", {}, name!), element("dd", {}, text!)]),
                ...(events.length > 0 ? [element("dt", {}, "events"), element("dd", {}, events.join("; "))] : []),
            ),
            button("What was live at the end", () => this.update({ section: "flame" }, true)),
            " ",
            button("What grew in it", () => this.update({ section: "flame", shows: "grown" }, true)),
        );
    }
}
