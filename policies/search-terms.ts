import { stemmer } from 'stemmer';

/**
 * Words as they are searched by: without regard to case, accents or, in English, endings. Where words are not told
 * apart by spaces (Chinese, Japanese, Thai) ICU's dictionary tells them apart. What is kept of them are keyed hashes.
 */
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
const marks = /\p{M}+/gu;
// Longer ones are no words: keys, encoded data.
const wordCharactersMax = 64;

export function termsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replaceAll(marks, '').toLowerCase();
  const words = [...segmenter.segment(plain)].flatMap(({ segment, isWordLike }) =>
    isWordLike ? [segment] : [],
  );
  const terms = words.filter((word) => word.length <= wordCharactersMax).map((word) => stemmer(word));
  return [...new Set(terms)];
}
