/**
 * An error whose message is a whole sentence for the person at the terminal and says what to do next. The start
 * command prints it as it is; anything else is a bug and goes with its stack to `.freehold/logs/start.log`.
 */
export class PlainError extends Error {}

const fullDisk = /ENOSPC|EDQUOT|No space left on device|database or disk is full|Disk quota exceeded/;
const notOurs = /EROFS|EACCES|EPERM/;

/** The sentence for what was thrown, or undefined when it is nothing a person at the terminal could have caused. */
export function sentenceFor(cause: unknown, directory: string): string | undefined {
  if (cause instanceof PlainError) return cause.message;
  const text =
    cause instanceof Error ? `${cause.message} ${'code' in cause ? cause.code : ''}` : String(cause);
  if (notOurs.test(text)) {
    return `${directory} cannot be written to (${text.trim()}): start as its owner, or in a folder of your own.`;
  }
  return fullDiskSentence(text, directory);
}

/** A full disk shows itself in many words, ours and other programs'; it explains everything else that went wrong. */
export function fullDiskSentence(text: string, directory: string): string | undefined {
  return fullDisk.test(text)
    ? `The disk is full: free some space where ${directory} is, then start again.`
    : undefined;
}
