import { type Html, html } from './html.ts';

/** A table in its card: where the screen is too narrow for it, it moves there and leaves the page where it is. */
export const table = (about: string, rows: Html | readonly Html[]): Html =>
  html`<div class="wide" role="region" aria-label="${about}" tabindex="0"><table>${rows}</table></div>`;
