import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** A process of its own, as for our own workflows (temporal/bundle.ts): writes the script of test/support/workflows/again.ts to this file. */
const [, , codePath = ''] = process.argv;
const workflowsPath = fileURLToPath(new URL('./workflows/again.ts', import.meta.url));
const { code } = await bundleWorkflowCode({ workflowsPath });
await writeFile(codePath, code);
