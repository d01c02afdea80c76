/**
 * Datasets for tests, made from tracebacks.
 *
 * Model: a traceback is a list of names, the outermost frame first, with its figures in each state. A name is
 * "ORIGIN PACKAGE function:line"; each package has one file. Columns are stored as Python stores them.
 */

import { Dataset } from "../src/data/dataset.ts";
import type { ColumnPlaces } from "../src/data/decode.ts";
import type { Meta } from "../src/data/head.ts";
import { nameOf } from "../src/draw/labels.ts";
import type { Selection } from "../src/model/figures.ts";
import type { Graph } from "../src/model/graph.ts";

export const ORIGINS = ["own", "installed", "stdlib", "imports", "tracer", "unknown"];
export const SMALLER = "smaller";
export type Trace = [names: string[], ...states: number[]];

export class Writer {
    readonly places: Record<string, ColumnPlaces[string]> = {};
    private readonly parts: number[] = [];
    private readonly values: Record<string, number[]> = {};

    add(name: string, values: number[], minus: string | null = null): void {
        this.values[name] = values;
        const stored = values.map((value, row) => value - (minus === null ? 0 : this.values[minus]![row]!));
        let planes = 0;
        while (
            stored.some((value) =>
                planes === 0 ? value !== 0 : value < -(2 ** (8 * planes - 1)) || value >= 2 ** (8 * planes - 1),
            )
        ) {
            planes++;
        }
        this.places[name] = { at: this.parts.length, length: values.length, planes, minus };
        for (let plane = 0; plane < planes; plane++) {
            this.parts.push(...stored.map((value) => Math.floor(value / 256 ** plane) & 255));
        }
    }

    bytes(): Uint8Array {
        return Uint8Array.from(this.parts);
    }
}

class Ids {
    readonly ids = new Map<string, number>();

    of(text: string): number {
        const id = this.ids.get(text) ?? this.ids.size;
        this.ids.set(text, id);
        return id;
    }
}

/** Figures are bytes; the blocks of a traceback are one for each state that has bytes. */
export function datasetOf(traces: readonly Trace[], extra: Partial<Meta> = {}): Dataset {
    const states = Math.max(1, ...traces.map((trace) => trace.length - 1));
    const strings = new Ids();
    const files = new Ids();
    const functions = new Ids();
    const frames = new Ids();
    const nodes = new Ids();
    const parents: number[] = [0];
    const nodeFrames: number[] = [0];
    const fileOf = (name: string) => files.of(name.split(" ").slice(0, 2).join(" "));
    const frameOf = (name: string) => {
        const [origin, pack, called] = name.split(" ") as [string, string, string];
        fileOf(name);
        const id = functions.of(`${origin} ${pack} ${called.split(":")[0]}`);
        return frames.of(`${id} ${called.split(":")[1] ?? 0}`);
    };
    strings.of("");
    frameOf("unknown unknown root:0");
    frameOf("unknown unknown smaller:0");
    nodes.of("");
    const own: number[][] = [new Array(states).fill(0)];
    for (const [names, ...figures] of traces) {
        let node = 0;
        let path = "";
        for (const name of names) {
            const frame = name === SMALLER ? 1 : frameOf(name);
            path += `/${frame}`;
            const isNew = !nodes.ids.has(path);
            const next = nodes.of(path);
            if (isNew) {
                parents.push(next - node);
                nodeFrames.push(frame);
                own.push(new Array(states).fill(0));
            }
            node = next;
        }
        figures.forEach((figure, state) => {
            own[node]![state]! += figure;
        });
    }
    const writer = new Writer();
    writer.add("parent", parents);
    writer.add("frame", nodeFrames);
    for (let state = 0; state < states; state++) {
        const column = (name: string, values: number[]) =>
            writer.add(`s${state}.${name}`, values, state > 0 ? `s${state - 1}.${name}` : null);
        column(
            "size",
            own.map((figures) => figures[state]!),
        );
        column(
            "count",
            own.map((figures) => Number(figures[state] !== 0)),
        );
        column(
            "peak_size",
            own.map((figures) => 2 * figures[state]!),
        );
        column(
            "peak_count",
            own.map((figures) => Number(figures[state] !== 0)),
        );
        column(
            "allocated_size",
            own.map((figures) => 3 * figures[state]!),
        );
        column(
            "allocated_count",
            own.map((figures) => 3 * Number(figures[state] !== 0)),
        );
    }
    const split = [...functions.ids.keys()].map((key) => key.split(" ") as [string, string, string]);
    const frameParts = [...frames.ids.keys()].map((key) => key.split(" ").map(Number) as [number, number]);
    const fileParts = [...files.ids.keys()].map((key) => key.split(" ") as [string, string]);
    writer.add(
        "frame_function",
        frameParts.map(([id]) => id),
    );
    writer.add(
        "frame_line",
        frameParts.map(([, line]) => line),
    );
    writer.add(
        "function_file",
        split.map(([origin, pack]) => files.of(`${origin} ${pack}`)),
    );
    writer.add(
        "function_name",
        split.map(([, , called]) => strings.of(called)),
    );
    writer.add(
        "function_line",
        split.map(() => 1),
    );
    writer.add(
        "file_name",
        fileParts.map(([, pack]) => strings.of(`/srv/${pack}.py`)),
    );
    writer.add(
        "file_module",
        fileParts.map(([, pack]) => strings.of(`${pack}.module`)),
    );
    writer.add(
        "file_package",
        fileParts.map(([, pack]) => strings.of(pack)),
    );
    writer.add(
        "file_origin",
        fileParts.map(([origin]) => ORIGINS.indexOf(origin)),
    );
    const meta: Meta = {
        facts: [],
        losses: [],
        estimated: false,
        peak_known: true,
        churn_known: true,
        is_diff: states === 2,
        states: Array.from({ length: states }, (_, state) => ({ label: `state ${state}`, time: null, totals: {} })),
        merged: { percent: 0, nodes: 0 },
        strings: [...strings.ids.keys()],
        origins: ORIGINS,
        sources: [],
        no_source: "",
        timeline: null,
        processes: null,
        columns: writer.places,
        ...extra,
    };
    return new Dataset(meta, writer.bytes());
}

/** Random numbers that are the same in each run. */
export function randomNumbers(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
    };
}

/** Deep and recursive tracebacks of a few functions of three origins. */
export function randomTraces(seed: number, states = 1): Trace[] {
    const below = randomNumbers(seed);
    const names = ["own a f:1", "own a f:2", "own a g:1", "installed p x:1", "installed p y:3", "stdlib q z:1", SMALLER];
    return Array.from({ length: 60 }, (): Trace => {
        const trace = Array.from({ length: 1 + below(7) }, () => names[below(names.length - 1)]!);
        if (below(5) === 0) {
            trace.push(SMALLER);
        }
        return [trace, ...Array.from({ length: states }, () => below(3) && below(10000))];
    });
}

export const LIVE: Selection = { measure: "live", unit: "size", before: 0, after: 0, shows: "newer" };

/** ["everything 6", [["f 6", …]]]: names, widths and children. */
export type Drawn = [string, Drawn[]];

export function drawn(graph: Graph, box = 0): Drawn {
    return [`${nameOf(graph, box)} ${graph.width(box)}`, Array.from(graph.children(box), (child) => drawn(graph, child))];
}
