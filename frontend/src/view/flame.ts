/**
 * The section with the flame graph: controls, search, the path of the zoom, the canvas, the details and the tree.
 */

import { type Dataset, SMALLER_FRAME } from "../data/dataset.ts";
import { GROWN, IMPORTS, INSTALLED, NEUTRAL, NEW, OWN, SAME, SHRUNK, STDLIB, TRACER, UNKNOWN } from "../draw/colours.ts";
import { nameOf, ORIGIN_WORDS } from "../draw/labels.ts";
import { pathTo } from "../model/graph.ts";
import { originOf } from "../model/merged.ts";
import { FlameCanvas } from "./canvas.ts";
import { Detail } from "./detail.ts";
import { button, element, setText } from "./dom.ts";
import { graphNotes, resultText, titleOf, whyEmpty } from "./notes.ts";
import { Outline } from "./outline.ts";
import type { LinkTo, Panel, Update } from "./panel.ts";
import { fileNameOf } from "./saving.ts";
import { paletteOf } from "./theme.ts";
import { graphControls, searchField } from "./toolbar.ts";
import type { View } from "./work.ts";

const KEYS_IN_SHORT =
    "Arrow keys move between boxes, Enter zooms, Escape zooms out by one box. The same boxes are in the tree below.";

export class Flame implements Panel {
    readonly element: HTMLElement;
    readonly canvas: FlameCanvas;
    readonly search;
    private readonly controls: Panel;
    private readonly detail: Detail;
    private readonly outline: Outline;
    private readonly crumbs = element("nav", { class: "crumbs", attributes: { "aria-label": "Zoom" } });
    private readonly legend = element("ul", { class: "legend", attributes: { "aria-label": "What colours mean" } });
    private readonly result = element("p", { id: "search-result", class: "result", attributes: { role: "status" } });
    private readonly empty = element("p", { class: "empty", attributes: { role: "status" } });
    private readonly notes = element("p", { class: "notes" });
    private view: View | null = null;
    private zoom = 0;
    private selected = -1;
    private explained: unknown[] = []; // what the legend is of
    private listed = 0; // a request to draw the tree

    constructor(
        private readonly update: Update,
        linkTo: LinkTo,
        help: () => void,
    ) {
        const events = { select: (box: number) => this.select(box), zoom: (box: number) => this.zoomTo(box) };
        this.canvas = new FlameCanvas(events);
        this.outline = new Outline(events);
        this.detail = new Detail(linkTo);
        this.search = searchField(update, "search", () => this.canvas.canvas.focus());
        this.controls = graphControls(update);
        this.canvas.canvas.addEventListener("keydown", (event) => this.key(event));
        this.element = element(
            "section",
            { class: "flame", attributes: { "aria-labelledby": "flame-name" } },
            element("h2", { id: "flame-name", class: "unseen" }, "Flame graph"),
            this.controls.element,
            element("div", { class: "searching" }, this.search.element, this.result, ...this.buttons(help)),
            this.crumbs,
            this.empty,
            this.canvas.element,
            element("p", { id: "flame-help", class: "unseen" }, KEYS_IN_SHORT),
            this.legend,
            this.notes,
            element("div", { class: "below" }, this.detail.element, this.outline.element),
        );
    }

    private buttons(help: () => void): HTMLElement[] {
        return [
            button("Reset zoom", () => this.update({ zoom: "0" }, true), { title: "Key 0 or Home" }),
            button("SVG", () => this.save("svg"), { title: "Download the picture as SVG" }),
            button("PNG", () => this.save("png"), { title: "Download the picture as PNG" }),
            button("Keys", help, { title: "Key ?" }),
        ];
    }

    show(view: View): void {
        const { graph, state } = view;
        this.view = view;
        this.zoom = graph.find(state.zoom);
        this.selected = state.selected === "" ? -1 : graph.find(state.selected);
        const isEmpty = graph.width(0) <= 0 || (state.shows !== "newer" && graph.children(0).length === 0);
        this.empty.hidden = !isEmpty;
        setText(this.empty, isEmpty ? whyEmpty(view) : "");
        this.canvas.element.classList.toggle("nothing", isEmpty);
        this.canvas.show(view, this.zoom, this.selected);
        this.controls.show(view);
        this.search.show(view);
        this.showResult(view);
        this.showCrumbs(view);
        this.showLegend(view);
        setText(this.notes, graphNotes(view));
        cancelAnimationFrame(this.listed);
        this.listed = requestAnimationFrame(() => (this.listed = requestAnimationFrame(() => this.showText(view))));
    }

    /** The text below the canvas, when the canvas is painted. */
    private showText(view: View): void {
        const box = this.selected < 0 ? this.zoom : this.selected;
        this.detail.show(view, box);
        this.outline.show(view, box);
    }

    private select(box: number): void {
        const { graph } = this.view!;
        const isShown = pathTo(graph, box).includes(this.zoom) || pathTo(graph, this.zoom).includes(box);
        this.update({ selected: graph.address(box), ...(isShown ? {} : { zoom: "0" }) });
    }

    private zoomTo(box: number): void {
        const address = this.view!.graph.address(box);
        this.update({ zoom: address, selected: address }, box !== this.zoom);
    }

    zoomOut(): void {
        if (this.zoom !== 0) {
            this.zoomTo(this.view!.graph.parent(this.zoom));
        }
    }

    private key(event: KeyboardEvent): void {
        if (event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const { canvas } = this;
        const actions: Record<string, () => void> = {
            ArrowLeft: () => canvas.moveAcross(-1),
            ArrowRight: () => canvas.moveAcross(1),
            ArrowUp: () => canvas.moveDown(-1),
            ArrowDown: () => canvas.moveDown(1),
            Enter: () => this.zoomTo(this.selected < 0 ? this.zoom : this.selected),
            Home: () => this.update({ zoom: "0" }, true),
        };
        const action = actions[event.key];
        if (action !== undefined) {
            action();
            event.preventDefault();
            event.stopPropagation();
        }
    }

    private save(kind: "svg" | "png"): void {
        const view = this.view!;
        const name = fileNameOf(view.head.title, view.selection.measure);
        if (kind === "svg") {
            this.canvas.saveSvg(name, titleOf(view));
        } else {
            this.canvas.savePng(name, titleOf(view));
        }
    }

    private showResult(view: View): void {
        setText(this.result, resultText(view, this.zoom));
        this.result.classList.toggle("wrong", view.search.error !== "");
    }

    private showCrumbs({ graph }: View): void {
        const path = pathTo(graph, this.zoom);
        const hidden = Math.max(0, path.length - 6);
        const shownBoxes = path.filter((_, depth) => depth === 0 || depth > hidden);
        const parts = shownBoxes.flatMap((box, i) => {
            const isLast = i === shownBoxes.length - 1;
            const crumb = button(nameOf(graph, box), () => this.zoomTo(box), { class: "crumb" });
            if (isLast) {
                crumb.setAttribute("aria-current", "true");
            }
            const gap = i === 0 && hidden > 0 ? ` › ${hidden} more › ` : " › ";
            return isLast ? [crumb] : [crumb, gap];
        });
        this.crumbs.replaceChildren(...parts);
    }

    private showLegend(view: View): void {
        const { fills } = paletteOf();
        const needs = [view.byChange, view.dataset, fills];
        if (needs.every((need, i) => need === this.explained[i])) {
            return;
        }
        this.explained = needs;
        const swatch = (colour: number) => {
            const made = element("span", { class: "swatch", attributes: { "aria-hidden": "true" } });
            made.style.background = fills[colour]!;
            return made;
        };
        const items = view.byChange ? CHANGES : originsOf(view.dataset);
        this.legend.replaceChildren(...items.map(([colours, words]) => element("li", {}, ...colours.map(swatch), words)));
    }
}

type LegendItem = [colours: number[], words: string];

const CHANGES: readonly LegendItem[] = [
    [[GROWN, GROWN + 1, GROWN + 2], "+ grown"],
    [[SHRUNK, SHRUNK + 1, SHRUNK + 2], "- shrunk"],
    [[NEW], "* new"],
    [[SAME], "= same"],
];

const ORIGIN_COLOURS: readonly [origin: string, colours: number[]][] = [
    ["own", [OWN]],
    ["installed", [INSTALLED, INSTALLED + 1, INSTALLED + 2, INSTALLED + 3]],
    ["stdlib", [STDLIB]],
    ["imports", [IMPORTS]],
    ["tracer", [TRACER]],
    ["unknown", [UNKNOWN]],
];

/** The colours of the origins that the dataset's frames have. */
function originsOf(dataset: Dataset): LegendItem[] {
    const present = new Set<string | undefined>();
    for (let frame = SMALLER_FRAME + 1; frame < dataset.frames; frame++) {
        present.add(dataset.meta.origins[originOf(dataset, frame)]);
    }
    const items = ORIGIN_COLOURS.filter(([origin]) => present.has(origin)).map(
        ([origin, colours]): LegendItem => [colours, origin === "installed" ? "installed packages" : ORIGIN_WORDS[origin]!],
    );
    return [...items, [[NEUTRAL], dataset.meta.merged.nodes > 0 ? "everything, and what was merged" : "everything"]];
}
