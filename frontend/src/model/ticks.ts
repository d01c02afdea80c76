/**
 * The timeline's columns, thinned out to what a picture can show.
 *
 * Model: a picture has a column of pixels for several ticks. Of those ticks the one with the least and the one with the most
 * live bytes are kept, in their order, so no peak is lost.
 */

export interface Ticks {
    time: Float64Array; // seconds
    size: Float64Array; // bytes: live
    peak: Float64Array; // bytes: the peak until then
    resident: Float64Array; // bytes; 0: not known
}

export function thinned({ time, size, peak, resident }: Ticks, columns: number): Ticks {
    if (time.length <= 2 * columns) {
        return { time, size, peak, resident };
    }
    const kept: number[] = [];
    for (let column = 0; column < columns; column++) {
        const from = Math.floor((column * time.length) / columns);
        const to = Math.floor(((column + 1) * time.length) / columns);
        let least = from;
        let most = from;
        for (let i = from; i < to; i++) {
            least = size[i]! < size[least]! ? i : least;
            most = size[i]! > size[most]! ? i : most;
        }
        kept.push(...(least === most ? [least] : least < most ? [least, most] : [most, least]));
    }
    const pick = (column: Float64Array) => Float64Array.from(kept, (i) => column[i]!);
    return { time: pick(time), size: pick(size), peak: pick(peak), resident: pick(resident) };
}

/** Round steps of an axis up to `most`: of bytes in powers of two, so that labels are short. */
export function byteSteps(most: number): number[] {
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, most) / 5)));
    return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

export function timeSteps(from: number, to: number): number[] {
    const step = SECONDS.find((seconds) => (to - from) / seconds <= 8) ?? 86400 * Math.ceil((to - from) / 86400 / 8);
    const first = Math.ceil(from / step) * step;
    return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
}
