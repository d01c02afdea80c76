/**
 * The figures of a table's rows, column by column.
 *
 * Model: rows and the walk that counts each block once depend on the row key only, so they are made once for each; a column of
 * figures is made when it is shown. Both are kept for the dataset.
 */

import { type Dataset, totalsOf } from "../data/dataset.ts";
import { type Measure, ownFigures, type Unit } from "./figures.ts";
import { firstOnPath, ownByRow, type RowKey, type Rows, rowsOf, totalByRow } from "./groups.ts";

export type Kind = "own" | "total";

export class Sums {
    private readonly byKey = new Map<RowKey, { rows: Rows; first: Uint8Array }>();
    private readonly columns = new Map<string, Float64Array>();

    constructor(readonly dataset: Dataset) {}

    rows(key: RowKey): Rows {
        return this.walked(key).rows;
    }

    /** By row. Not to be changed. */
    column(key: RowKey, kind: Kind, state: number, measure: Measure, unit: Unit): Float64Array {
        const name = `${key} ${kind} ${state} ${measure} ${unit}`;
        let column = this.columns.get(name);
        if (column === undefined) {
            const { rows, first } = this.walked(key);
            const own = ownFigures(this.dataset, state, measure, unit);
            column =
                kind === "own"
                    ? ownByRow(this.dataset, rows, own)
                    : totalByRow(this.dataset, rows, first, totalsOf(this.dataset.parent, own));
            this.columns.set(name, column);
        }
        return column;
    }

    private walked(key: RowKey): { rows: Rows; first: Uint8Array } {
        let walked = this.byKey.get(key);
        if (walked === undefined) {
            const rows = rowsOf(this.dataset, key);
            walked = { rows, first: firstOnPath(this.dataset, rows) };
            this.byKey.set(key, walked);
        }
        return walked;
    }
}

const kept = new WeakMap<Dataset, Sums>();

export function sumsOf(dataset: Dataset): Sums {
    const sums = kept.get(dataset) ?? new Sums(dataset);
    kept.set(dataset, sums);
    return sums;
}
