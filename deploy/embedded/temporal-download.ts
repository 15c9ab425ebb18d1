import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

/** SHA-256 of the release's archives, as its checksums.txt and the packages of others state them. */
const checksums: Record<string, string> = {
  'linux-amd64': 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
  'linux-arm64': 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
  'darwin-amd64': 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
  'darwin-arm64': 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
};

const downloadInfo = z.object({
  archiveUrl: z.url(),
  fileToExtract: z.string().regex(/^[\w-]+$/),
});

export type TemporalSource = { origin: string; checksums: Record<string, string> };

const run = promisify(execFile);

/** As the Temporal SDK does it (ask temporal.download where the archive is), but checked against a known sum. */
export async function downloadTemporal(
  version: string,
  directory: string,
  source: TemporalSource = { origin: 'https://temporal.download', checksums },
): Promise<string> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const expected = source.checksums[`${process.platform}-${architecture}`];
  if (!expected) throw new Error(`there is no release for ${process.platform} on ${process.arch}`);
  const asked = `${source.origin}/cli/v${version}?arch=${architecture}&platform=${process.platform}&format=tar.gz`;
  const info = downloadInfo.parse(await (await get(asked, 10_000)).json());
  // About 60 MB: five minutes are enough for a slow line and short enough for a dead one.
  const bytes = await (await get(info.archiveUrl, 300_000)).bytes();
  const sum = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
  if (sum !== expected)
    throw new Error(`the archive from ${info.archiveUrl} is not the one that was released (SHA-256 ${sum})`);
  const archive = join(directory, 'archive.tar.gz');
  await writeFile(archive, bytes);
  await run('tar', ['-xzf', archive, '-C', directory, info.fileToExtract]);
  return join(directory, info.fileToExtract);
}

async function get(url: string, milliseconds: number): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(milliseconds) }).catch((failure: Error) => {
    // fetch hides what happened (no name, no route, refused) in the cause.
    const reason = failure.cause instanceof Error ? failure.cause : failure;
    throw new Error(`${new URL(url).host} does not answer (${reason.message})`, { cause: failure });
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}
