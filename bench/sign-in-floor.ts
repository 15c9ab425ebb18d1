import { verify } from '@node-rs/argon2';

/** Nothing but the check of a password, in a process of its own as the API is: as many at once as told. */
type Given = { hash: string; password: string; atOnce: number; seconds: number };

process.on('message', async ({ hash, password, atOnce, seconds }: Given) => {
  const started = performance.now();
  const end = started + seconds * 1_000;
  let checked = 0;
  const caller = async () => {
    while (performance.now() < end) {
      if (!(await verify(hash, password))) throw new Error('the password is right and was refused');
      checked++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  process.send?.((checked * 1_000) / (performance.now() - started));
});
