import assert from 'node:assert/strict';
import { cronExpressions, cronFaults, zoneOf } from '../../policies/cron.ts';

const faults = (cron: string) => cronFaults(cron).map(({ detail }) => detail);

describe('a calendar as people write it', () => {
  it('R6.1 takes what crontab takes: lists, ranges, steps, names', () => {
    for (const cron of [
      '* * * * *',
      '*/15 9-17 * * mon-fri',
      '0 0 1,15 jan,jul *',
      '5/20 0 31 12 7',
      '0 4 8-14 * 5-7',
    ])
      assert.deepEqual(faults(cron), [], cron);
  });

  it('R6.1 names everything that is wrong with it at once', () => {
    assert.deepEqual(faults('60 24 0 13 8').length, 5);
    assert.match(faults('* * * *')[0] ?? '', /five fields .* not 4/);
    assert.match(faults('5-1 * * * *')[0] ?? '', /ends before it begins/);
    assert.match(faults('*/0 * * * *')[0] ?? '', /step/);
    assert.match(faults('* * * * moonday')[0] ?? '', /sun mon tue/);
    assert.match(faults('x; * * * *')[0] ?? '', /must be \*, a number/);
    for (const cron of ['', '@daily', '* * * * * *', '1-*/2 * * * *', '1,,2 * * * *'])
      assert.ok(faults(cron).length > 0, cron);
  });

  it('R6.1 is told to Temporal so that either day will do, as in crontab', () => {
    assert.deepEqual(cronExpressions('0 0 13 * 5'), ['0 0 13 * *', '0 0 * * 5']);
    assert.deepEqual(cronExpressions('0 0 * jan,feb mon-fri'), ['0 0 * 1,2 1-5']);
    assert.deepEqual(cronExpressions('0 0 1 * *'), ['0 0 1 * *']);
    assert.deepEqual(cronExpressions('0 0 * * 5-7,7'), ['0 0 * * 5-6,0,0']);
  });

  it('R6.1 is in a time zone of the IANA database, by name', () => {
    assert.deepEqual(
      [zoneOf('Europe/Berlin'), zoneOf('europe/berlin'), zoneOf('UTC')],
      ['Europe/Berlin', 'Europe/Berlin', 'UTC'],
    );
    assert.ok(zoneOf('Asia/Kolkata'));
    for (const name of ['Mars/Olympus', '+02:00', 'GMT+25', '../etc/passwd', ''])
      assert.equal(zoneOf(name), undefined, name);
  });
});
