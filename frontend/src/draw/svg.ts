/**
 * The picture as an SVG file, with its title above it: the same drawing on a surface that writes elements.
 *
 * Model: names are escaped before they come here, so no character is left that XML forbids; what XML reads as markup is
 * escaped here.
 */

import { FONT, type Picture, paint, paintTitle, ROW_HEIGHT, type Surface } from "./paint.ts";

export function svgOf(picture: Picture, width: number, charWidth: number, title: string): string {
    const height = (1 + picture.rows) * ROW_HEIGHT;
    const surface = new SvgSurface(charWidth);
    paintTitle(surface, picture.palette, title, width);
    surface.parts.push(`<g transform="translate(0 ${ROW_HEIGHT})">`);
    paint(surface, picture, 0, height);
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" `,
        `font-family="monospace" font-size="12"><title>${escapeXml(title)}</title>`,
        `<rect width="100%" height="100%" fill="${picture.palette.background}"/>`,
        ...surface.parts,
        "</g></svg>\n",
    ].join("");
}

export function escapeXml(text: string): string {
    return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

class SvgSurface implements Surface {
    readonly parts: string[] = [];
    fillStyle: string = "";
    strokeStyle: string = "";
    font = FONT;
    lineWidth = 1;
    textBaseline: CanvasTextBaseline = "middle";

    constructor(private readonly charWidth: number) {}

    fillRect(x: number, y: number, width: number, height: number): void {
        this.parts.push(`<rect ${place(x, y, width, height)} fill="${this.fillStyle}"/>`);
    }

    strokeRect(x: number, y: number, width: number, height: number): void {
        const stroke = `stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}"`;
        this.parts.push(`<rect ${place(x, y, width, height)} fill="none" ${stroke}/>`);
    }

    fillText(text: string, x: number, y: number): void {
        const escaped = escapeXml(text);
        const at = `x="${short(x)}" y="${short(y)}"`;
        this.parts.push(
            `<text ${at} dominant-baseline="central" xml:space="preserve" fill="${this.fillStyle}">${escaped}</text>`,
        );
    }

    measureText(text: string): { width: number } {
        return { width: text.length * this.charWidth };
    }
}

function place(x: number, y: number, width: number, height: number): string {
    return `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
}

function short(value: number): string {
    return String(Math.round(value * 100) / 100);
}
