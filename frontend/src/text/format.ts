/**
 * Numbers as text, as Python's reports print them: sizes with units of 1024, counts with thousands separators.
 *
 * Model: `%.1f` of Python rounds a tie to the even digit and `toFixed` rounds it up, so ties are found here. A tie of one digit
 * (12.25) or none (120.5) is exact in binary, and so is ten times it.
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function fixed(value: number, digits: 0 | 1): string {
    const scale = digits === 0 ? 1 : 10;
    const scaled = value * scale;
    const below = Math.floor(scaled);
    if (scaled - below !== 0.5 || scaled / scale !== value) {
        return value.toFixed(digits);
    }
    return ((below % 2 === 0 ? below : below + 1) / scale).toFixed(digits);
}

/** Bytes: "123 KiB". signed: with a plus before what is not negative. */
export function formatSize(size: number, signed = false): string {
    let value = Math.abs(size);
    let unit = 0;
    while (unit < UNITS.length - 1 && value >= 10 * 1024) {
        value /= 1024;
        unit++;
    }
    const digits = unit > 0 && value < 100 ? 1 : 0;
    const sign = size < 0 ? "-" : signed ? "+" : "";
    return `${sign}${fixed(value, digits)} ${UNITS[unit]}`;
}

/** "1,234". */
export function formatCount(count: number, signed = false): string {
    const digits = Math.abs(Math.round(count)).toString();
    const sign = count < 0 ? "-" : signed ? "+" : "";
    return sign + digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1,234 blocks". */
export function counted(count: number, noun: string): string {
    return `${formatCount(count)} ${noun}${Math.abs(count) === 1 ? "" : "s"}`;
}

/** "45.6%"; "" if there is no whole. */
export function formatPercent(part: number, whole: number): string {
    return whole > 0 ? `${((part / whole) * 100).toFixed(1)}%` : "";
}

/** "12.3 s", "4:05" or "1:02:03". */
export function formatClock(seconds: number): string {
    const rounded = Math.round(seconds * 10) / 10;
    if (rounded < 60) {
        return `${rounded.toFixed(1)} s`;
    }
    const whole = Math.round(seconds);
    const two = (value: number) => String(value).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    const rest = two(whole % 60);
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

/** "2025-11-24 15:33 UTC"; "" if it is no time. seconds: since 1970. */
export function formatDate(seconds: number): string {
    const date = new Date(seconds * 1000);
    return Number.isNaN(date.getTime()) ? "" : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
