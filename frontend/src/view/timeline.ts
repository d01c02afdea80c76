/**
 * Live memory over time, and the range that the other sections look at.
 *
 * Model: a range begins and ends at states, which are moments of the recording. Two handles stand at its ends; they are sliders
 * that the arrow keys move from state to state, and dragging over the drawing selects a range. Whatever is selected is in the
 * page's state ("before" and "after"), so the drawing follows a link too.
 */

import { byteSteps, type Ticks, thinned, timeSteps } from "../model/ticks.ts";
import { formatClock, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { button, checkbox, drawing, element } from "./dom.ts";
import type { Update } from "./panel.ts";
import type { View } from "./work.ts";

const LOW = 150; // CSS pixels
const HIGH = 320;
const MOST_RESIDENT = 3; // times the peak
const LEFT = 74;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 24;

interface Scale {
    width: number;
    height: number;
    from: number; // seconds
    to: number;
    most: number; // bytes
    x(seconds: number): number;
    y(bytes: number): number;
}

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

function greatest(column: Float64Array): number {
    return column.reduce((a, b) => Math.max(a, b), 0);
}

function scaleOf({ time, size, peak, resident }: Ticks, times: readonly number[], width: number, height: number): Scale {
    const most = Math.max(1, greatest(size), greatest(peak), greatest(resident));
    const from = Math.min(time[0] ?? 0, ...times);
    const to = Math.max(time[time.length - 1] ?? 1, ...times, from + 0.001);
    return {
        width,
        height,
        from,
        to,
        most,
        x: (seconds) => LEFT + ((seconds - from) / (to - from)) * (width - LEFT - RIGHT),
        y: (bytes) => height - BOTTOM - (bytes / most) * (height - TOP - BOTTOM),
    };
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): SVGElement {
    return drawing("line", { x1, y1, x2, y2, class: kind });
}

function axes(scale: Scale): SVGElement[] {
    const drawn: SVGElement[] = [];
    for (const bytes of byteSteps(scale.most)) {
        const y = scale.y(bytes);
        drawn.push(line(LEFT, y, scale.width - RIGHT, y, "grid"));
        drawn.push(drawing("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, formatSize(bytes)));
    }
    for (const seconds of timeSteps(scale.from, scale.to)) {
        const x = scale.x(seconds);
        drawn.push(drawing("text", { x, y: scale.height - 6, "text-anchor": "middle" }, formatClock(seconds)));
    }
    return drawn;
}

function curves(scale: Scale, { time, size, peak, resident }: Ticks): SVGElement[] {
    const points = (column: Float64Array) =>
        Array.from(column, (bytes, i) => `${scale.x(time[i]!).toFixed(1)},${scale.y(bytes).toFixed(1)}`).join(" ");
    if (time.length === 0) {
        return [];
    }
    const bottom = scale.y(0).toFixed(1);
    const [first, last] = [scale.x(time[0]!), scale.x(time[time.length - 1]!)].map((x) => x.toFixed(1));
    const drawn = [
        drawing("polygon", { points: `${first},${bottom} ${points(size)} ${last},${bottom}`, class: "area" }),
        drawing("polyline", { points: points(size), class: "live" }),
        drawing("polyline", { points: points(peak), class: "peak" }),
    ];
    if (resident.some((bytes) => bytes > 0)) {
        drawn.push(drawing("polyline", { points: points(resident), class: "resident" }));
    }
    return drawn;
}

function events(scale: Scale, list: readonly [number, string][]): SVGElement[] {
    return list.flatMap(([seconds, what]) => {
        const x = scale.x(seconds);
        const words = drawing("text", { x: x + 4, y: TOP + 8 }, shown(what));
        return [line(x, TOP, x, scale.y(0), "event"), words];
    });
}

function keyOf({ resident }: Ticks): HTMLElement[] {
    const item = (kind: string, words: string) => element("li", {}, element("span", { class: `stroke ${kind}` }), words);
    const items = [item("live", "live"), item("peak", "peak so far")];
    if (resident.some((bytes) => bytes > 0)) {
        items.push(item("resident", "resident"));
    }
    return items;
}

function wordsOf({ time, size }: Ticks): string {
    const most = greatest(size);
    const last = size.length - 1;
    if (last < 0) {
        return "Live memory over time: nothing was recorded.";
    }
    const at = formatClock(time[size.indexOf(most)]!);
    return `Live memory over time: most at ${at}, ${formatSize(most)}; at the end, ${formatClock(time[last]!)}, ${formatSize(size[last]!)}.`;
}
