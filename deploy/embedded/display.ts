import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';

type Mark = 'waiting' | 'running' | 'done' | 'failed' | 'undone';
/** Times are milliseconds since 1970, as Date.now() gives them. */
type Line = { mark: Mark; text: string; started?: number; ended?: number };

/** What happens while it happens: a block of lines redrawn in place on a terminal, finished lines one by one elsewhere. */
export type Display = {
  say(text: string): void;
  /** Adds a line, or replaces the one with that key. */
  show(key: string, line: Line): void;
  /** What is shown stays as it is; the next line begins a new block. */
  settle(): void;
  /** From here on nothing is shown: what is still under way when everything is stopped would only fail loudly. */
  close(): void;
};

const signs: Record<Mark, string> = { waiting: '○', running: '◐', done: '✓', failed: '✗', undone: '↺' };
const colours: Record<Mark, 'dim' | 'cyan' | 'green' | 'red' | 'yellow'> = {
  waiting: 'dim',
  running: 'cyan',
  done: 'green',
  failed: 'red',
  undone: 'yellow',
};
const textWidth = 58;
const redrawMs = 100;

export function openDisplay(out: NodeJS.WriteStream): Display {
  const display = out.isTTY ? live(out) : plain(out);
  let closed = false;
  return {
    say: (text) => closed || display.say(text),
    show: (key, line) => closed || display.show(key, line),
    settle: () => closed || display.settle(),
    close: () => {
      display.settle();
      closed = true;
    },
  };
}

/** One step of our own: shown while it runs, with its time when it is over. */
export async function step<T>(display: Display, title: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  display.show(title, { mark: 'running', text: title, started });
  try {
    const result = await work();
    display.show(title, { mark: 'done', text: title, started, ended: Date.now() });
    return result;
  } catch (cause) {
    display.show(title, { mark: 'failed', text: title, started, ended: Date.now() });
    throw cause;
  }
}

function live(out: NodeJS.WriteStream): Omit<Display, 'close'> {
  const draw = createLogUpdate(out);
  const lines = new Map<string, Line>();
  const redraw = () => draw([...lines.values()].map((line) => format(line, out)).join('\n'));
  let timer: NodeJS.Timeout | undefined;
  const settle = () => {
    clearInterval(timer);
    timer = undefined;
    if (lines.size > 0) redraw();
    draw.done();
    lines.clear();
  };
  return {
    say: (text) => {
      draw.persist(text);
      if (lines.size > 0) redraw();
    },
    show: (key, line) => {
      lines.set(key, line);
      redraw();
      // Only to let the seconds of running lines pass; unref, so that it keeps nobody alive.
      timer ??= setInterval(redraw, redrawMs).unref();
    },
    settle,
  };
}

function plain(out: NodeJS.WriteStream): Omit<Display, 'close'> {
  const shown = new Map<string, Mark>();
  return {
    say: (text) => out.write(`${text}\n`),
    show: (key, line) => {
      const over = line.mark !== 'waiting' && line.mark !== 'running';
      if (over && shown.get(key) !== line.mark) out.write(`${format(line, out)}\n`);
      shown.set(key, line.mark);
    },
    settle: () => shown.clear(),
  };
}

function format({ mark, text, started, ended }: Line, out: NodeJS.WriteStream): string {
  const seconds = started === undefined ? '' : `${(((ended ?? Date.now()) - started) / 1000).toFixed(2)} s`;
  const line = `  ${signs[mark]} ${text.padEnd(textWidth)} ${seconds.padStart(8)}`.trimEnd();
  return styleText(colours[mark], line, { stream: out });
}
