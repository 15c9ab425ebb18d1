import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { redact } from '../../policies/redaction.ts';
import { settingsFrom } from '../../policies/setting-inheritance.ts';
import type { SettingDocument } from '../../policies/settings.ts';
import { processorMs } from '../support/processor.ts';

const none = { platform: {}, plan: {}, tenant: {}, agent: {}, packs: [] };
const settingsWith = (tenant: SettingDocument) => settingsFrom({ ...none, tenant });
const usual = settingsWith({});

const lines = readFileSync('test/policies/redaction-corpus.txt', 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const mark = /«(\w+):((?:(?!»).)+)»/g;

type Labelled = { text: string; wanted: string };
const corpus: Labelled[] = lines.map((line) => ({
  text: line.replaceAll(mark, '$2'),
  wanted: line.replaceAll(mark, '[$1]'),
}));

const count = (texts: string[], kind: string) => texts.join('\n').split(`[${kind}]`).length - 1;

describe('redaction', () => {
  for (const kind of ['email', 'phone', 'iban', 'card', 'ssn', 'ip']) {
    it(`R6.3 finds every ${kind} of the labelled corpus, and takes nothing else for one`, () => {
      const found = corpus.map(({ text }) => redact(text, usual));
      const wanted = corpus.map((each) => each.wanted);
      assert.ok(count(wanted, kind) >= 2);
      const wrong = corpus.filter(
        ({ wanted: meant }, at) => count([meant], kind) !== count([found[at] ?? ''], kind),
      );
      assert.deepEqual(
        wrong.map(({ wanted: meant, text }) => [meant, redact(text, usual)]),
        [],
      );
    });
  }

  it('R6.3 leaves every other character of the corpus as it was', () => {
    for (const { text, wanted } of corpus) assert.equal(redact(text, usual), wanted);
  });

  it('R6.3 blackens only what the settings ask for, and the organisation’s own words', () => {
    const text = 'jane@example.com from 203.0.113.7 on Project Blue, project BLUE (x.*y)';
    assert.equal(
      redact(text, settingsWith({ 'privacy.detectors': ['ip'], 'privacy.terms': ['project blue', 'x.*y'] })),
      'jane@example.com from [ip] on [term], [term] ([term])',
    );
    assert.equal(redact(text, settingsWith({ 'privacy.detectors': [] })), text);
  });

  it('R6.3 blackens what it has blackened once more as it is', () => {
    for (const { wanted } of corpus) assert.equal(redact(wanted, usual), wanted);
  });

  it('R6.3 takes time in proportion to the text, whatever the text was made for', () => {
    const hostile = [
      'a',
      'a@',
      'a.',
      '1 ',
      '1-',
      '+1(',
      '::',
      'a:',
      'GB29 ',
      'A1',
      '1.',
      '4111 ',
      '(0)',
      '٣',
      'é@é.',
      '00',
      '.-/',
    ];
    const spent = (text: string) => processorMs(() => redact(text, usual));
    const least = (text: string) => Math.min(spent(text), spent(text), spent(text));
    for (const part of hostile) {
      const [short, long] = [least(part.repeat(10_000)), least(part.repeat(100_000))];
      // Ten times as much text; what grows with its square would take a hundred times as long.
      assert.ok(long < 40 * Math.max(short, 1), `${part}: ${short} ms, then ${long} ms`);
    }
  }).timeout(300_000);
});
