/**
 * What is said beside the mouse about the box under it. The same is in the details of a selected box, so screen readers need
 * not look here.
 */

import { changeText, nameOf, placeOf } from "../draw/labels.ts";
import { formatAmount } from "../model/figures.ts";
import { formatPercent } from "../text/format.ts";
import { element } from "./dom.ts";
import type { View } from "./work.ts";

export class Tip {
    readonly element = element("div", { class: "tip", attributes: { "aria-hidden": "true" } });

    constructor() {
        this.element.hidden = true;
    }

    fill({ graph, selection, dataset }: View, box: number): void {
        const { unit, measure, after } = selection;
        const own = graph.own(box, after, measure, unit);
        const total = graph.width(box);
        const figures = [
            `${formatAmount(total, unit)} (${formatPercent(total, graph.width(0))})`,
            `own ${formatAmount(own, unit)}`,
            changeText(graph, box),
            dataset.meta.estimated ? "estimated" : "",
        ];
        this.element.replaceChildren(
            element("strong", {}, nameOf(graph, box)),
            element("div", { class: "path" }, placeOf(graph, box)),
            element("div", {}, figures.filter((text) => text !== "").join(", ")),
        );
    }

    /** x, y: of the mouse, in the window. */
    moveTo(x: number, y: number): void {
        const left = Math.min(x + 14, window.innerWidth - this.element.offsetWidth - 8);
        const below = y + 18 + this.element.offsetHeight < window.innerHeight;
        const top = below ? y + 18 : y - this.element.offsetHeight - 10;
        this.element.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
    }
}
