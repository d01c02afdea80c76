/**
 * The timeline as SVG elements: axes, curves, events, and what the picture says in words.
 *
 * Model: a scale is made for a width and a height; everything else asks it where a time and a size are.
 */

import { byteSteps, type Ticks, timeSteps } from "../model/ticks.ts";
import { formatClock, formatSize } from "../text/format.ts";
import { shown } from "../text/names.ts";
import { drawing, element } from "./dom.ts";

// The margins, in CSS pixels.
export const LEFT = 74;
export const RIGHT = 14;
export const TOP = 10;
export const BOTTOM = 24;

export interface Scale {
    width: number;
    height: number;
    from: number; // seconds
    to: number;
    most: number; // bytes
    x(seconds: number): number;
    y(bytes: number): number;
}

export function greatest(column: Float64Array): number {
    return column.reduce((a, b) => Math.max(a, b), 0);
}

export function scaleOf({ time, size, peak, resident }: Ticks, times: readonly number[], width: number, height: number): Scale {
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

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): SVGElement {
    return drawing("line", { x1, y1, x2, y2, class: kind });
}

export function axes(scale: Scale): SVGElement[] {
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

export function curves(scale: Scale, { time, size, peak, resident }: Ticks): SVGElement[] {
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

export function events(scale: Scale, list: readonly [number, string][]): SVGElement[] {
    return list.flatMap(([seconds, what]) => {
        const x = scale.x(seconds);
        const words = drawing("text", { x: x + 4, y: TOP + 8 }, shown(what));
        return [line(x, TOP, x, scale.y(0), "event"), words];
    });
}

export function keyOf({ resident }: Ticks): HTMLElement[] {
    const item = (kind: string, words: string) => element("li", {}, element("span", { class: `stroke ${kind}` }), words);
    const items = [item("live", "live"), item("peak", "peak so far")];
    if (resident.some((bytes) => bytes > 0)) {
        items.push(item("resident", "resident"));
    }
    return items;
}

export function wordsOf({ time, size }: Ticks): string {
    const most = greatest(size);
    const last = size.length - 1;
    if (last < 0) {
        return "Live memory over time: nothing was recorded.";
    }
    const at = formatClock(time[size.indexOf(most)]!);
    return `Live memory over time: most at ${at}, ${formatSize(most)}; at the end, ${formatClock(time[last]!)}, ${formatSize(size[last]!)}.`;
}
