/**
 * The flame graph's canvas: what is painted when, and what the mouse and the keys do on it.
 *
 * Model: the canvas is as large as its window and stays in it; a spacer behind it has the height of all rows and scrolls. A new
 * view is laid out at once; painting waits for the next frame, so that many changes paint once. The selection and the zoom are
 * in the page's state, and what is under the mouse is only here.
 */

import { colourByOrigin, colourOfChange, NEUTRAL } from "../draw/colours.ts";
import { changeText, labelOf, nameOf, placeOf } from "../draw/labels.ts";
import { indexAt, type Layout, layoutOf, REST, type Row, scaleLayout } from "../draw/layout.ts";
import { type Picture, paint, ROW_HEIGHT, rowAt, topOfRow } from "../draw/paint.ts";
import { formatAmount, MEASURE_WORDS } from "../model/figures.ts";
import { formatPercent } from "../text/format.ts";
import { element } from "./dom.ts";
import { Room } from "./room.ts";
import { savePng, saveSvg } from "./saving.ts";
import { paletteOf } from "./theme.ts";
import { Tip } from "./tip.ts";
import type { View } from "./work.ts";

export interface CanvasEvents {
    select(box: number): void;
    zoom(box: number): void;
}

export class FlameCanvas {
    readonly element: HTMLElement;
    readonly canvas: HTMLCanvasElement;
    private readonly spacer: HTMLElement;
    private readonly tip = new Tip();
    private view: View | null = null;
    private layout: Layout = { rows: [], zoom: 0, above: 0, boxes: 0 };
    private zoom = 0;
    private selected = -1;
    private pointed = -1;
    private readonly room: Room;
    private width = 0; // of the picture
    private waiting = false;
    private toReveal = false; // scroll to the selected box before the next painting
    private labels = new Map<number, string>();
    private drawn: unknown[] = []; // what the layout was made for

    constructor(private readonly events: CanvasEvents) {
        this.canvas = element("canvas", {
            id: "flame",
            attributes: { tabindex: "0", role: "application", "aria-describedby": "flame-help" },
        });
        this.spacer = element("div", { class: "spacer" }, this.canvas);
        this.element = element("div", { class: "scroller" }, this.spacer);
        this.room = new Room(this.element);
        document.body.append(this.tip.element);
        this.listen();
    }

    private listen(): void {
        const { canvas } = this;
        canvas.addEventListener("mousemove", (event) => this.point(event));
        canvas.addEventListener("mouseleave", () => this.leave());
        canvas.addEventListener("click", (event) => this.click(event));
        this.element.addEventListener("scroll", () => {
            this.leave();
            this.ask();
        });
        new ResizeObserver(() => this.resize()).observe(this.element);
    }

    show(view: View, zoom: number, selected: number): void {
        const { graph, state, byChange, search, compared } = view;
        const moved = this.zoom !== zoom || this.selected !== selected || this.view?.graph !== graph;
        if (this.view?.graph !== graph || this.view.byChange !== byChange) {
            this.labels = new Map();
        }
        this.view = view;
        this.zoom = zoom;
        this.selected = selected;
        const needs = [graph, zoom, state.fromBottom];
        if (needs.some((need, i) => need !== this.drawn[i])) {
            this.drawn = needs;
            this.lay();
        }
        const colours = byChange ? "colours say what changed" : "colours say whose code it is";
        const words = `${MEASURE_WORDS[view.selection.measure]}${compared ? ", compared" : ""}`;
        this.canvas.setAttribute(
            "aria-label",
            `Flame graph, ${words}; ${colours}.${!search.isOn ? "" : " Found boxes are outlined."} ${this.describe(selected < 0 ? zoom : selected)}`,
        );
        this.canvas.dataset["found"] = !search.isOn ? "" : String(this.countFound());
        this.toReveal ||= moved;
        this.ask();
    }

    private lay(): void {
        const view = this.view!;
        const { whole } = this.room;
        this.layout = layoutOf(view.graph, this.zoom, whole);
        const height = this.layout.rows.length * ROW_HEIGHT;
        this.spacer.style.height = `${height}px`;
        this.width = this.room.widthFor(height);
        if (this.width !== whole) {
            scaleLayout(this.layout, this.width / whole);
        }
        this.canvas.dataset["boxes"] = String(this.layout.boxes);
        this.pointed = -1;
        this.tip.element.hidden = true;
    }

    private resize(): void {
        if (this.view !== null && this.room.measure()) {
            this.lay();
        }
        this.ask();
    }

    private ask(): void {
        if (!this.waiting) {
            this.waiting = true;
            requestAnimationFrame(() => {
                this.waiting = false;
                this.paint();
            });
        }
    }

    /** Paint again, for another palette. */
    repaint(): void {
        this.ask();
    }

    private paint(): void {
        const height = this.element.clientHeight;
        const context = this.canvas.getContext("2d");
        if (this.view === null || context === null || height === 0) {
            return;
        }
        const scale = window.devicePixelRatio || 1;
        this.canvas.width = Math.round(this.width * scale);
        this.canvas.height = Math.round(height * scale);
        this.canvas.style.width = `${this.width}px`;
        this.canvas.style.height = `${height}px`;
        context.setTransform(scale, 0, 0, scale, 0, 0);
        if (this.toReveal) {
            this.toReveal = false;
            this.reveal(this.selected < 0 ? this.zoom : this.selected);
        }
        const from = this.element.scrollTop;
        paint(context, this.picture(), from, from + height);
        this.canvas.dataset["paints"] = String(Number(this.canvas.dataset["paints"] ?? 0) + 1);
        document.documentElement.dataset["painted"] ??= String(performance.now());
    }

    private picture(): Picture {
        const { graph, byChange, search, state, compared } = this.view!;
        const { nodes } = search;
        return {
            layout: this.layout,
            palette: paletteOf(),
            colour: byChange
                ? (box) => (box === 0 && !compared ? NEUTRAL : colourOfChange(graph.before(box), graph.after(box)))
                : (box) => colourByOrigin(graph, box),
            label: (box) => this.label(box),
            isFound: !search.isOn ? null : (box) => nodes[graph.node(box)] === 1,
            selected: this.selected,
            pointed: this.pointed,
            fromBottom: state.fromBottom,
            rows: this.layout.rows.length,
        };
    }

    private label(box: number): string {
        let label = this.labels.get(box);
        if (label === undefined) {
            label = labelOf(this.view!.graph, box, this.view!.byChange);
            this.labels.set(box, label);
        }
        return label;
    }

    private countFound(): number {
        const { graph, search } = this.view!;
        let found = 0;
        for (const row of this.layout.rows) {
            for (const box of row.box) {
                found += box !== REST && search.nodes[graph.node(box)] === 1 ? 1 : 0;
            }
        }
        return found;
    }

    /** One line about a box. */
    describe(box: number): string {
        const { graph, selection } = this.view!;
        const parts = [nameOf(graph, box), placeOf(graph, box), formatAmount(graph.width(box), selection.unit)];
        return [...parts, formatPercent(graph.width(box), graph.width(0)), changeText(graph, box)]
            .filter((part) => part !== "")
            .join(", ");
    }

    // --- the mouse ---

    private boxAt(event: MouseEvent): number {
        const area = this.canvas.getBoundingClientRect();
        const picture = { fromBottom: this.view?.state.fromBottom ?? false, rows: this.layout.rows.length };
        const row = this.layout.rows[rowAt(picture, event.clientY - area.top + this.element.scrollTop)];
        const index = indexAt(row, event.clientX - area.left);
        return index < 0 ? REST : row!.box[index]!;
    }

    private point(event: MouseEvent): void {
        const box = this.boxAt(event);
        if (box !== this.pointed) {
            this.pointed = box;
            this.tip.element.hidden = box === REST;
            this.canvas.style.cursor = box === REST ? "default" : "pointer";
            if (box !== REST) {
                this.tip.fill(this.view!, box);
            }
            this.ask();
        }
        this.tip.moveTo(event.clientX, event.clientY);
    }

    private leave(): void {
        this.tip.element.hidden = true;
        if (this.pointed !== -1) {
            this.pointed = -1;
            this.ask();
        }
    }

    private click(event: MouseEvent): void {
        const box = this.boxAt(event);
        if (box !== REST) {
            this.events.zoom(box);
        }
    }

    // --- moving the selection ---

    /** Where a box is painted: its row and its index there. null: it is not. */
    private whereIs(box: number): { depth: number; index: number } | null {
        for (let depth = 0; depth < this.layout.rows.length; depth++) {
            const index = this.layout.rows[depth]!.box.indexOf(box);
            if (index >= 0) {
                return { depth, index };
            }
        }
        return null;
    }

    /** Select the next box to the left (-1) or right (1). */
    moveAcross(step: number): void {
        const place = this.whereIs(this.selected);
        if (place === null) {
            this.events.select(this.zoom);
            return;
        }
        const row: Row = this.layout.rows[place.depth]!;
        const next = row.box[place.index + step];
        if (next !== undefined && next !== REST) {
            this.events.select(next);
        }
    }

    /** Select the widest child (1) or the parent (-1); arrows go by what is seen. */
    moveDown(step: number): void {
        const { graph, state } = this.view!;
        const outwards = state.fromBottom ? -step : step;
        if (this.selected < 0 || this.whereIs(this.selected) === null) {
            this.events.select(this.zoom);
        } else if (outwards < 0) {
            this.events.select(graph.parent(this.selected));
        } else if (graph.children(this.selected).length > 0) {
            this.events.select(graph.children(this.selected)[0]!);
        }
    }

    /** Select the next box that the search found, row by row. */
    moveToFound(step: number): void {
        const { graph, search } = this.view!;
        const boxes = this.layout.rows.flatMap((row) =>
            row.box.filter((box) => box !== REST && search.nodes[graph.node(box)] === 1),
        );
        if (boxes.length > 0) {
            const at = boxes.indexOf(this.selected);
            const next = at < 0 ? (step > 0 ? 0 : boxes.length - 1) : (at + step + boxes.length) % boxes.length;
            this.events.select(boxes[next]!);
        }
    }

    /** Scroll to the row of a box. */
    private reveal(box: number): void {
        const place = this.whereIs(box);
        if (place === null) {
            return;
        }
        const picture = { fromBottom: this.view!.state.fromBottom, rows: this.layout.rows.length };
        const top = topOfRow(picture, place.depth);
        const { scrollTop, clientHeight } = this.element;
        if (top < scrollTop || top + ROW_HEIGHT > scrollTop + clientHeight) {
            this.element.scrollTop = Math.max(0, top - (picture.fromBottom ? clientHeight - 2 * ROW_HEIGHT : ROW_HEIGHT));
        }
    }

    // --- files ---

    saveSvg(name: string, title: string): void {
        saveSvg(this.unpointed(), this.width, name, title);
    }

    savePng(name: string, title: string): void {
        savePng(this.unpointed(), this.width, name, title);
    }

    private unpointed(): Picture {
        return { ...this.picture(), pointed: -1, selected: -1 };
    }
}
