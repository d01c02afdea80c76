/**
 * Boxes on a canvas.
 *
 * Model: a picture is a layout, a palette and what to point out. Only the rows within the window's height are painted. The font
 * has characters of one width, so a label is cut by counting; only labels with characters beyond ASCII are measured.
 */

import type { Palette } from "./colours.ts";
import { type Layout, REST, type Row } from "./layout.ts";

export const ROW_HEIGHT = 20; // CSS pixels
export const FONT = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const PADDING = 4;
const GAP = 1;

export interface Picture {
    layout: Layout;
    palette: Palette;
    colour: (box: number) => number;
    label: (box: number) => string;
    /** null: there is no search. */
    isFound: ((box: number) => boolean) | null;
    selected: number; // a box; -1: none
    pointed: number; // under the mouse
    fromBottom: boolean; // row 0 is at the bottom
    rows: number; // of the whole picture
}

export interface Surface {
    fillStyle: string | CanvasGradient | CanvasPattern;
    strokeStyle: string | CanvasGradient | CanvasPattern;
    font: string;
    lineWidth: number;
    textBaseline: CanvasTextBaseline;
    fillRect(x: number, y: number, width: number, height: number): void;
    strokeRect(x: number, y: number, width: number, height: number): void;
    fillText(text: string, x: number, y: number): void;
    measureText(text: string): { width: number };
}

/** Where a row begins, in CSS pixels from the top of the whole picture. */
export function topOfRow(picture: { fromBottom: boolean; rows: number }, row: number): number {
    return (picture.fromBottom ? picture.rows - 1 - row : row) * ROW_HEIGHT;
}

export function rowAt(picture: { fromBottom: boolean; rows: number }, y: number): number {
    const line = Math.floor(y / ROW_HEIGHT);
    return picture.fromBottom ? picture.rows - 1 - line : line;
}

/** Paint what lies between two heights of the whole picture; `surface` has its origin at `from`. */
export function paint(surface: Surface, picture: Picture, from: number, to: number): void {
    surface.font = FONT;
    surface.textBaseline = "middle";
    const charWidth = surface.measureText("0").width;
    picture.layout.rows.forEach((row, depth) => {
        const top = topOfRow(picture, depth);
        if (top + ROW_HEIGHT > from && top < to) {
            paintRow(surface, picture, row, depth, top - from, charWidth);
        }
    });
}

/** A line above the picture, in the first row of the surface. */
export function paintTitle(surface: Surface, palette: Palette, title: string, width: number): void {
    surface.font = FONT;
    surface.textBaseline = "middle";
    surface.fillStyle = palette.text;
    const charWidth = surface.measureText("0").width;
    surface.fillText(cut(surface, title, width - 2 * PADDING, charWidth), PADDING, ROW_HEIGHT / 2);
}

function paintRow(surface: Surface, picture: Picture, row: Row, depth: number, y: number, charWidth: number): void {
    const { palette, layout } = picture;
    for (let i = 0; i < row.box.length; i++) {
        const box = row.box[i]!;
        const x = row.x[i]!;
        const width = row.width[i]!;
        const isFound = box !== REST && (picture.isFound === null || picture.isFound(box));
        const isFaded = !isFound;
        const fill = box === REST ? palette.rest : isFaded ? palette.faded : palette.fills[picture.colour(box)]!;
        surface.fillStyle = fill;
        const drawn = Math.max(width - (width > 3 ? GAP : 0), 0.5);
        surface.fillRect(x, y, drawn, ROW_HEIGHT - GAP);
        if (box === REST) {
            continue;
        }
        if (picture.isFound !== null && isFound && width > 4) {
            outline(surface, palette.found, x, y, drawn, 1);
        }
        if (box === picture.selected || box === picture.pointed) {
            outline(surface, box === picture.selected ? palette.selected : palette.text, x, y, drawn, 2);
        }
        if (width > 3 * charWidth + 2 * PADDING) {
            surface.fillStyle = isFaded ? palette.fadedText : palette.text;
            const label = (depth < layout.above ? "↑ " : "") + picture.label(box);
            surface.fillText(cut(surface, label, width - 2 * PADDING, charWidth), x + PADDING, y + ROW_HEIGHT / 2);
        }
    }
}

function outline(surface: Surface, colour: string, x: number, y: number, width: number, thick: number): void {
    surface.strokeStyle = colour;
    surface.lineWidth = thick;
    surface.strokeRect(x + thick / 2, y + thick / 2, Math.max(width - thick, 1), ROW_HEIGHT - GAP - thick);
}

const ASCII = /^[\x20-\x7e]*$/;

/** As much of a text as fits, with "…" for the rest. */
export function cut(surface: Surface, text: string, width: number, charWidth: number): string {
    const fits = Math.floor(width / charWidth);
    if (text.length <= fits && ASCII.test(text)) {
        return text;
    }
    if (ASCII.test(text.slice(0, fits))) {
        return `${text.slice(0, Math.max(0, fits - 1))}…`;
    }
    const chars = Array.from(text).slice(0, fits + 1);
    let shorter = chars.length < text.length;
    while (chars.length > 0 && surface.measureText(chars.join("") + (shorter ? "…" : "")).width > width) {
        chars.pop();
        shorter = true;
    }
    return chars.join("") + (shorter ? "…" : "");
}
