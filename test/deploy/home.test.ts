import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { ensureRootKey, openHome } from '../../deploy/embedded/home.ts';
import { readOptions } from '../../deploy/embedded/options.ts';
import { sentenceFor } from '../../deploy/embedded/plain-error.ts';
import { assertFree, portsFrom } from '../../deploy/embedded/ports.ts';
import { freeBase, scratchFolder } from './scratch.ts';

describe('the folder .freehold', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  beforeEach(async () => {
    scratch = await scratchFolder();
  });
  afterEach(() => scratch.remove());

  it('R1.1 keeps one root key, readable by its owner alone, and never makes a second one beside data', async () => {
    const home = await openHome(scratch.path);
    await ensureRootKey(home);
    const key = await readFile(home.rootKey, 'utf8');
    assert.equal(Buffer.from(key, 'base64').length, 32);
    assert.equal((await stat(home.rootKey)).mode & 0o777, 0o600);
    await ensureRootKey(await openHome(scratch.path));
    assert.equal(await readFile(home.rootKey, 'utf8'), key);
    await mkdir(home.postgres('eu'));
    await rm(home.rootKey);
    await assert.rejects(ensureRootKey(home), /root-key is missing.* put it back/);
  });

  it('R1.1 of another version, or of somebody else, is left alone with a sentence that says what to do', async () => {
    const home = await openHome(scratch.path);
    await writeFile(home.version, '99\n');
    await assert.rejects(
      openHome(scratch.path),
      /data format 99, this one reads 1\): start that version, or move/,
    );
    await rm(home.version);
    await assert.rejects(openHome(scratch.path), /was not made by Freehold/);
  });

  it('R1.1 can be opened by two first starts at once', async () => {
    await Promise.all([openHome(scratch.path), openHome(scratch.path), openHome(scratch.path)]);
  });

  it('R1.1 on a full disk is told as that, whoever met it first', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    assert.match(
      sentenceFor(full, '/x/.freehold') ?? '',
      /^The disk is full: free some space where \/x\/\.freehold is/,
    );
    assert.equal(sentenceFor(new TypeError('x is not a function'), '/x'), undefined);
  });
});

describe('the options of npm start', () => {
  it('R1.1 are three, and anything else is refused with a sentence', () => {
    assert.deepEqual(readOptions(['--no-demo', '--port', '7500']), { help: false, demo: false, port: 7500 });
    assert.throws(
      () => readOptions(['--prot', '1']),
      /Unknown option '--prot'\. The options are --no-demo, --port N/,
    );
    assert.throws(() => readOptions(['--port', '80']), /--port 80 does not fit/);
    assert.throws(() => readOptions(['now']), /Unexpected argument 'now'/);
  });

  it('R1.1 name the port that is in use, what it is for, and the way round', async () => {
    const base = await freeBase(11);
    const ports = portsFrom(base);
    await assertFree(ports, true, 0);
    const other = createServer().listen(ports.temporalUi, '127.0.0.1');
    await new Promise((listening) => other.once('listening', listening));
    try {
      await assert.rejects(
        assertFree(ports, true, 0),
        new RegExp(`Port ${base + 2}, which the Temporal UI needs, is in use.*--port`),
      );
      await assertFree(ports, false, 0);
    } finally {
      other.close();
    }
  });
});
