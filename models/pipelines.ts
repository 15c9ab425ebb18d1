import { openPipeline, type Pipeline } from './pipeline.ts';

// What one read may take; a server that is silent for longer is given up (models/patient-client.ts).
const readMs = 8_000;

const pipelines = new Map<string, Pipeline>();
/** The one for this login and purpose, made when first needed. */
export function pipeline(
  connectionString: string,
  lanes: number,
  more: { application_name?: string; statement_timeout?: number; options?: string } = {},
): Pipeline {
  const name = `${more.application_name ?? ''} ${connectionString}`;
  const known = pipelines.get(name);
  if (known) return known;
  const made = openPipeline(
    { connectionString, application_name: 'freehold-read', statement_timeout: readMs, ...more },
    lanes,
  );
  pipelines.set(name, made);
  return made;
}

export async function closePipelines(): Promise<void> {
  const ends = [...pipelines.values()].map((each) => each.end());
  pipelines.clear();
  await Promise.all(ends);
}
