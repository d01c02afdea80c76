/**
 * The whole picture as a file, also what is scrolled out of the window, with its title above it: as SVG, or as PNG in twice the
 * size.
 */

import { FONT, type Picture, paint, paintTitle, ROW_HEIGHT } from "../draw/paint.ts";
import { svgOf } from "../draw/svg.ts";
import { download, element } from "./dom.ts";

const LARGEST = 16384; // pixels of a PNG's side: browsers make no larger canvas

/** width: in CSS pixels. */
export function saveSvg(picture: Picture, width: number, name: string, title: string): void {
    const context = element("canvas").getContext("2d")!;
    context.font = FONT;
    const text = svgOf(picture, width, context.measureText("0").width, title);
    download(new Blob([text], { type: "image/svg+xml" }), `${name}.svg`);
}

export function savePng(picture: Picture, width: number, name: string, title: string): void {
    const scale = Math.min(2, LARGEST / width);
    const rows = Math.min(picture.rows, Math.floor(LARGEST / scale / ROW_HEIGHT) - 1);
    const copy = element("canvas");
    copy.width = Math.round(width * scale);
    copy.height = Math.round((1 + rows) * ROW_HEIGHT * scale);
    const context = copy.getContext("2d")!;
    context.scale(scale, scale);
    context.fillStyle = picture.palette.background;
    context.fillRect(0, 0, width, (1 + rows) * ROW_HEIGHT);
    paintTitle(context, picture.palette, title, width);
    context.translate(0, ROW_HEIGHT);
    const first = picture.fromBottom ? (picture.rows - rows) * ROW_HEIGHT : 0;
    paint(context, picture, first, first + rows * ROW_HEIGHT);
    copy.toBlob((blob) => blob && download(blob, `${name}.png`), "image/png");
}

const LONGEST = 80; // characters of each of them

/** What letters, digits, ".", "_" and "-" can say of the texts. */
export function fileNameOf(...texts: string[]): string {
    const safe = (text: string) =>
        Array.from(text.replace(/[^\p{L}\p{N}._-]+/gu, "-"))
            .slice(0, LONGEST)
            .join("");
    const parts = texts.map((text) => safe(text).replace(/^[.-]+|[.-]+$/g, ""));
    return parts.filter((text) => text !== "").join("-");
}
