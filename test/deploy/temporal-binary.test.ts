import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadTemporal, type TemporalSource } from '../../deploy/embedded/temporal-download.ts';
import { scratchFolder } from './scratch.ts';

const run = promisify(execFile);
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** Names are not resolved: as on a machine without internet, and just as quick. */
const noNames = `import dns from 'node:dns';
  dns.lookup = (name, options, done) => (done ?? options)(Object.assign(new Error('ENOTFOUND ' + name), { code: 'ENOTFOUND' }));`;
const offline = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(noNames)}` };

/** The environment is read once per process, so every ladder is climbed in one of its own. */
async function climb(env: Record<string, string>): Promise<string> {
  const script = `
    import { findTemporal } from '${new URL('../../deploy/embedded/temporal-server.ts', import.meta.url)}';
    try { await findTemporal((sentence) => console.log(sentence)); } catch (cause) { console.log(cause.message); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { env });
  return stdout;
}

async function program(path: string, says: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${says}\n`);
  await chmod(path, 0o755);
}

describe('the ladder to a Temporal server', () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let bin: string;
  beforeEach(async () => {
    scratch = await scratchFolder();
    bin = join(scratch.path, 'bin');
    await mkdir(bin);
  });
  afterEach(() => scratch.remove());

  it('R1.1 prefers a server that is named, and starts none', async () => {
    assert.match(
      await climb({ TEMPORAL_ADDRESS: 'temporal:7233' }),
      /^Using the Temporal server at temporal:7233/,
    );
  });

  it('R1.1 takes a program on the path, but passes over one that is too old for fairness between tenants', async () => {
    const env = { PATH: bin, XDG_CACHE_HOME: scratch.path };
    await program(join(bin, 'temporal'), 'echo "temporal version 1.6.0 (Server 1.30.0, UI 2.45.0)"');
    assert.match(await climb(env), new RegExp(`Using the Temporal server ${bin}/temporal`));
    await program(join(bin, 'temporal'), 'echo "temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)"');
    assert.match(
      await climb(env),
      /did not work: .* is temporal version 1\.1\.0 .* Server 1\.29 or newer is needed/,
    );
  });

  it('R1.1 says why each rung failed, tries the next, and ends with what can be done', async function () {
    this.timeout(30_000);
    const said = await climb({
      PATH: bin,
      XDG_CACHE_HOME: scratch.path,
      ...offline,
    });
    const reasons = said.match(/That did not work: .*/g) ?? [];
    assert.equal(reasons.length, 4, said);
    assert.match(reasons[0] ?? '', /there is no temporal on the PATH/);
    assert.match(reasons[1] ?? '', /is not there/);
    assert.match(reasons[2] ?? '', /temporal\.download does not answer/);
    assert.match(reasons[3] ?? '', /there is no go on the PATH/);
    assert.match(said, /No Temporal server can be had .* TEMPORAL_ADDRESS/);
  });

  it('R1.1 builds it beside the cache and moves it in whole; a build that fails leaves nothing', async () => {
    const env = {
      PATH: `${bin}:/usr/bin:/bin`,
      XDG_CACHE_HOME: scratch.path,
      ...offline,
    };
    const cache = join(scratch.path, 'freehold/temporal-1.5.1');
    await program(join(bin, 'go'), 'echo "no such module" >&2; exit 1');
    assert.match(await climb(env), /go install failed \(no such module\)/);
    assert.deepEqual(await readdir(cache), []);
    const made = `printf '#!/bin/sh\\necho "(Server 1.29.1, UI 2.42.1)"\\n' > "$GOBIN/temporal"; chmod +x "$GOBIN/temporal"`;
    await program(join(bin, 'go'), made);
    assert.match(await climb(env), new RegExp(`Using the Temporal server ${cache}/temporal`));
    assert.deepEqual(await readdir(cache), ['temporal']);
  });
});

describe('the download of the Temporal CLI', () => {
  it('R1.1 is unpacked when it is what was released, and refused when one byte differs', async () => {
    const scratch = await scratchFolder();
    await program(join(scratch.path, 'temporal'), 'echo hello');
    await run('tar', ['-czf', join(scratch.path, 'cli.tar.gz'), '-C', scratch.path, 'temporal']);
    const archive = await readFile(join(scratch.path, 'cli.tar.gz'));
    const sum = Buffer.from(await crypto.subtle.digest('SHA-256', archive)).toString('hex');
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const info = { archiveUrl: `${origin}/assets/cli.tar.gz`, fileToExtract: 'temporal' };
      response.end(request.url?.startsWith('/cli/') ? JSON.stringify(info) : archive);
    }).listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    // A TCP server that listens has an address with a port.
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const from = (checksum: string): TemporalSource => ({
      origin,
      checksums: { [`${process.platform}-${architecture}`]: checksum },
    });
    try {
      const target = join(scratch.path, 'target');
      await mkdir(target);
      const binary = await downloadTemporal('1.5.1', target, from(sum));
      assert.equal((await run(binary)).stdout, 'hello\n');
      assert.equal(asked[0], `/cli/v1.5.1?arch=${architecture}&platform=${process.platform}&format=tar.gz`);
      await assert.rejects(downloadTemporal('1.5.1', target, from('00')), /is not the one that was released/);
    } finally {
      server.close();
      await scratch.remove();
    }
  });
});
