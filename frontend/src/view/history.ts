/** The page's address and the browser's history. */

/** step: a new entry of the history. In an iframe's srcdoc the address cannot be changed; the history still can. */
export function remember(hash: string, step: boolean): void {
    const change = step ? history.pushState.bind(history) : history.replaceState.bind(history);
    try {
        change({ hash }, "", hash === "" ? location.pathname + location.search : hash);
    } catch {
        try {
            change({ hash }, "");
        } catch {
            // A frame without a history of its own: the page works, without links.
        }
    }
}
