/**
 * From the text in a script element to columns of numbers.
 *
 * Model: a dataset is base64 of a zlib stream. Inflated, it is a length, JSON, and bytes in which the columns lie. A column has
 * signed integers of `planes` bytes each, stored byte by byte: all lowest bytes first, the bytes with the sign last. So bytes
 * that are alike lie together, which deflate likes, and reading is one pass for each plane. A column may be stored as the
 * difference from another column ("minus").
 */

export interface ColumnPlace {
    at: number; // in the bytes behind the JSON
    length: number; // rows
    planes: number; // bytes of each number; 0: all are zero
    minus: string | null; // the column that has to be added
}

export type ColumnPlaces = Readonly<Record<string, ColumnPlace>>;

export interface Unpacked {
    json: unknown;
    bytes: Uint8Array; // the columns
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
    const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
    if (native !== undefined) {
        return native.call(Uint8Array, text);
    }
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) {
        bytes[i] = binary.charCodeAt(i);
    }
    return bytes;
}

export async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Take an inflated dataset apart. Throws an Error if it is cut off. */
export function unpack(inflated: Uint8Array): Unpacked {
    const view = new DataView(inflated.buffer, inflated.byteOffset, inflated.byteLength);
    const length = inflated.byteLength >= 4 ? view.getUint32(0, true) : Infinity;
    if (4 + length > inflated.byteLength) {
        throw new Error("the data of this page is cut off");
    }
    const json = JSON.parse(new TextDecoder().decode(inflated.subarray(4, 4 + length)));
    return { json, bytes: inflated.subarray(4 + length) };
}

/** The numbers of a column, with those of the columns that it was stored as a difference from. */
export function decodeColumn(bytes: Uint8Array, places: ColumnPlaces, name: string): Float64Array {
    const place = placeOf(places, name);
    const out = new Float64Array(place.length);
    for (let next: string | null = name; next !== null; next = placeOf(places, next).minus) {
        addPlanes(bytes, placeOf(places, next), out);
    }
    return out;
}

function placeOf(places: ColumnPlaces, name: string): ColumnPlace {
    const place = places[name];
    if (place === undefined) {
        throw new Error(`the data of this page has no column ${name}`);
    }
    return place;
}

function addPlanes(bytes: Uint8Array, { at, length, planes }: ColumnPlace, out: Float64Array): void {
    if (at + planes * length > bytes.byteLength || length !== out.length) {
        throw new Error("the data of this page is cut off");
    }
    const start = bytes.byteOffset + at;
    const unsigned = (plane: number) => new Uint8Array(bytes.buffer, start + plane * length, length);
    const top = planes > 0 ? new Int8Array(bytes.buffer, start + (planes - 1) * length, length) : new Int8Array(0);
    if (planes <= 4) {
        addShort(
            top,
            Array.from({ length: Math.max(0, planes - 1) }, (_, plane) => unsigned(plane)),
            out,
        );
        return;
    }
    let scale = 1;
    for (let plane = 0; plane < planes; plane++, scale *= 256) {
        const part = plane === planes - 1 ? top : unsigned(plane);
        for (let i = 0; i < length; i++) {
            out[i]! += part[i]! * scale;
        }
    }
}

/** Numbers of up to four bytes, in one pass. lower: the planes below the one with the sign. */
function addShort(top: Int8Array, lower: readonly Uint8Array[], out: Float64Array): void {
    const [a, b, c] = lower;
    if (a === undefined) {
        for (let i = 0; i < top.length; i++) {
            out[i]! += top[i]!;
        }
    } else if (b === undefined) {
        for (let i = 0; i < out.length; i++) {
            out[i]! += (top[i]! << 8) | a[i]!;
        }
    } else if (c === undefined) {
        for (let i = 0; i < out.length; i++) {
            out[i]! += (top[i]! << 16) | (b[i]! << 8) | a[i]!;
        }
    } else {
        for (let i = 0; i < out.length; i++) {
            out[i]! += (top[i]! << 24) | (c[i]! << 16) | (b[i]! << 8) | a[i]!;
        }
    }
}
