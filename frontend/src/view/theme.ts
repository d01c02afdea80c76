/**
 * Light or dark: the browser's choice, or that of the page's switch, which is in the data-theme attribute.
 */

import { DARK, LIGHT, type Palette } from "../draw/colours.ts";

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
let prefersDark = darkness.matches; // reading it can take as long as all else

/** Call `changed` whenever the browser changes between light and dark. */
export function onDarkness(changed: () => void): void {
    darkness.addEventListener("change", () => {
        prefersDark = darkness.matches;
        changed();
    });
}

export function isDark(): boolean {
    const theme = document.documentElement.dataset["theme"];
    return theme === "dark" || (theme !== "light" && prefersDark);
}

export function paletteOf(): Palette {
    return isDark() ? DARK : LIGHT;
}
