/**
 * Live memory over time, and the range that the other sections look at.
 *
 * Model: a range begins and ends at states, which are moments of the recording. Two handles stand at its ends; they are sliders
 * that the arrow keys move from state to state, and dragging over the drawing selects a range. Whatever is selected is in the
 * page's state ("before" and "after"), so the drawing follows a link too.
 */

import { thinned } from "../model/ticks.ts";
import { formatClock, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { button, checkbox, drawing, element } from "./dom.ts";
import type { Update } from "./panel.ts";
import {
    axes,
    BOTTOM,
    curves,
    events,
    greatest,
    keyOf,
    LEFT,
    line,
    RIGHT,
    type Scale,
    scaleOf,
    TOP,
    wordsOf,
} from "./timeline_drawing.ts";
import type { View } from "./work.ts";

const LOW = 150; // CSS pixels
const HIGH = 320;
const MOST_RESIDENT = 3; // times the peak

export class Timeline {
    readonly element: HTMLElement;
    private readonly words = element("p", { class: "notes", attributes: { role: "status" } });
    private readonly plot = element("div", { class: "plot" });
    private readonly range = element("div", { class: "range" });
    private readonly handles: HTMLElement[];
    private view: View | null = null;
    private scale: Scale | null = null;
    private times: number[] = []; // of the states
    private dragged = -1; // the state that dragging began at
    private withResident: boolean | null = null; // null: if it does not make the rest too small to see
    private readonly key = element("ul", { class: "legend" });
    private readonly resident = checkbox("Resident memory", (on) => {
        this.withResident = on;
        this.redraw();
    });
    private drawn: unknown = null;
    private height = LOW;

    constructor(private readonly update: Update) {
        this.handles = ["Begin of the range", "End of the range"].map((words, end) =>
            element("div", {
                class: "handle",
                attributes: { role: "slider", tabindex: "0", "aria-label": words, "aria-orientation": "horizontal" },
                on: { keydown: (event) => this.press(event, end) },
            }),
        );
        this.element = element(
            "section",
            { class: "timeline", attributes: { "aria-labelledby": "timeline-name" } },
            element("h2", { id: "timeline-name", class: "unseen" }, "Live memory over time"),
            element("div", { class: "drawing" }, this.plot, this.range, ...this.handles),
            element(
                "div",
                { class: "toolbar" },
                this.words,
                this.key,
                this.resident.element,
                button("Whole recording", () => this.update({ before: -1, after: -1 }, true)),
                button("Only the end", () => this.select(this.view!.state.after, this.view!.state.after), {
                    title: "No comparison: what was live at that moment",
                }),
            ),
        );
        this.listen();
        new ResizeObserver(() => this.redraw()).observe(this.element);
    }

    /** alone: there is nothing below it. */
    show(view: View, alone: boolean): void {
        this.view = view;
        this.height = alone ? HIGH : LOW;
        const { states, timeline } = view.dataset.meta;
        this.element.hidden = timeline === null || states.length < 2;
        this.times = states.map(({ time }, index) => time ?? index);
        this.redraw();
    }

    private redraw(): void {
        const { view } = this;
        if (view === null || this.element.hidden) {
            return;
        }
        const width = this.element.clientWidth;
        if (width === 0) {
            return;
        }
        const key = `${view.state.dataset} ${width} ${this.height} ${this.withResident}`;
        if (key !== this.drawn) {
            this.drawn = key;
            this.draw(view, width);
        }
        this.showRange(view);
    }

    private draw({ dataset }: View, width: number): void {
        const column = (name: string) => (dataset.has(name) ? dataset.column(name) : new Float64Array(0));
        const time = column("tick_time").map((ms) => ms / 1000);
        const all = { time, size: column("tick_size"), peak: column("tick_peak"), resident: column("tick_resident") };
        const withResident = this.withResident ?? greatest(all.resident) < MOST_RESIDENT * greatest(all.peak);
        this.resident.show(withResident, greatest(all.resident) > 0);
        const ticks = thinned(withResident ? all : { ...all, resident: all.resident.map(() => 0) }, width - LEFT - RIGHT);
        const scale = scaleOf(ticks, this.times, width, this.height);
        this.scale = scale;
        const svg = drawing("svg", { width, height: this.height, role: "img", "aria-label": wordsOf(all) });
        svg.append(...axes(scale), ...curves(scale, ticks), ...events(scale, dataset.meta.timeline?.events ?? []));
        svg.append(...this.times.map((at) => line(scale.x(at), scale.y(0), scale.x(at), scale.y(0) + 5, "moment")));
        this.plot.replaceChildren(svg);
        this.key.replaceChildren(...keyOf(ticks));
        for (const part of [this.range, ...this.handles]) {
            part.style.height = `${this.height - TOP - BOTTOM}px`;
        }
    }

    private showRange({ state, dataset }: View): void {
        const { states } = dataset.meta;
        const ends = [state.before, state.after];
        const at = ends.map((end) => this.scale!.x(this.times[end]!));
        this.range.style.left = `${at[0]}px`;
        this.range.style.width = `${Math.max(1, at[1]! - at[0]!)}px`;
        this.handles.forEach((handle, end) => {
            handle.style.left = `${at[end]}px`;
            handle.setAttribute("aria-valuemin", String(end === 0 ? 0 : ends[0]));
            handle.setAttribute("aria-valuemax", String(end === 0 ? ends[1] : states.length - 1));
            handle.setAttribute("aria-valuenow", String(ends[end]));
            handle.setAttribute("aria-valuetext", momentText(dataset.meta.states, ends[end]!));
        });
        const [from, to] = ends.map((end) => momentText(states, end));
        this.words.textContent = state.before === state.after ? `What was live at ${to}.` : `From ${from} to ${to}.`;
    }

    private select(before: number, after: number): void {
        this.update({ before: Math.min(before, after), after: Math.max(before, after) }, true);
    }

    private press(event: KeyboardEvent, end: number): void {
        const { before, after } = this.view!.state;
        const last = this.times.length - 1;
        const steps: Record<string, number> = {
            ArrowLeft: -1,
            ArrowDown: -1,
            ArrowRight: 1,
            ArrowUp: 1,
            PageDown: -10,
            PageUp: 10,
        };
        const at = end === 0 ? before : after;
        const target = event.key === "Home" ? 0 : event.key === "End" ? last : at + (steps[event.key] ?? Number.NaN);
        if (Number.isNaN(target)) {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
        const within = end === 0 ? Math.max(0, Math.min(target, after)) : Math.max(before, Math.min(target, last));
        this.update(end === 0 ? { before: within, after } : { before, after: within });
    }

    // --- the mouse ---

    private listen(): void {
        const area = this.element.querySelector<HTMLElement>(".drawing")!;
        area.addEventListener("pointerdown", (event) => {
            if (this.scale === null || event.button !== 0) {
                return;
            }
            const handle = this.handles.indexOf(event.target as HTMLElement);
            const { before, after } = this.view!.state;
            this.dragged = handle === 0 ? after : handle === 1 ? before : this.stateAt(event, area);
            area.setPointerCapture(event.pointerId);
        });
        area.addEventListener("pointermove", (event) => {
            if (this.dragged >= 0) {
                const at = this.stateAt(event, area);
                this.range.classList.add("dragged");
                this.update({ before: Math.min(this.dragged, at), after: Math.max(this.dragged, at) });
            }
        });
        area.addEventListener("pointerup", (event) => {
            if (this.dragged >= 0) {
                const from = this.dragged;
                this.dragged = -1;
                this.range.classList.remove("dragged");
                this.select(from, this.stateAt(event, area));
            }
        });
        area.addEventListener("pointercancel", () => {
            this.dragged = -1;
        });
    }

    /** The state whose moment is nearest. */
    private stateAt(event: PointerEvent, area: HTMLElement): number {
        const x = event.clientX - area.getBoundingClientRect().left;
        let nearest = 0;
        this.times.forEach((at, index) => {
            if (Math.abs(this.scale!.x(at) - x) < Math.abs(this.scale!.x(this.times[nearest]!) - x)) {
                nearest = index;
            }
        });
        return nearest;
    }
}

export function momentText(states: View["dataset"]["meta"]["states"], index: number): string {
    const { time, label, totals } = states[index]!;
    const size = totals["size"] ?? null;
    return `${time === null ? shown(label) : formatClock(time)}${size === null ? "" : ` (${formatSize(size)})`}`;
}
