/**
 * How wide a picture can be in a window that scrolls up and down.
 *
 * Model: there is a scrollbar if the picture, drawn in the whole width, is higher than the window may be. That is decided here and
 * not by the browser: in less width there are fewer boxes and maybe fewer rows, so it could take the scrollbar away again, and so
 * on. Reading sizes can take as long as all else, so they are kept.
 */

export class Room {
    private width = 0; // CSS pixels within the border
    private limit = 0; // pictures that are higher scroll
    private bar = -1; // width of a scrollbar; -1: not measured yet

    constructor(private readonly element: HTMLElement) {}

    /** The width without a scrollbar; 0 if the window is hidden. */
    get whole(): number {
        if (this.width === 0) {
            this.measure();
        }
        return this.width;
    }

    /** true: the sizes are not what they were. A window that is hidden keeps them. */
    measure(): boolean {
        const { offsetWidth, clientLeft } = this.element;
        const width = offsetWidth - 2 * clientLeft;
        if (width <= 0) {
            return false;
        }
        const limit = Number.parseFloat(getComputedStyle(this.element).maxHeight);
        const isOther = width !== this.width || limit !== this.limit;
        this.width = width;
        this.limit = limit;
        return isOther;
    }

    /** Give a picture of this height a scrollbar if it needs one. Returns the width that is left. */
    widthFor(height: number): number {
        const scrolls = height > this.limit;
        this.element.style.overflowY = scrolls ? "scroll" : "hidden";
        if (!scrolls || this.width === 0) {
            return this.width;
        }
        if (this.bar < 0) {
            const { offsetWidth, clientLeft, clientWidth } = this.element;
            this.bar = offsetWidth - 2 * clientLeft - clientWidth;
        }
        return this.width - this.bar;
    }
}
