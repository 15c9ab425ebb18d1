import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hash, verify } from '@node-rs/argon2';
import { Refusal } from '../policies/refusal.ts';

/**
 * Password hashing: argon2id with OWASP's second profile (19 MiB, 2 passes, 1 lane). At most two run at once in a
 * process: each takes its memory and a core, and a flood of sign-ins must not take them all.
 */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const atOnceMax = 2;
const waitingMax = 64;

let running = 0;
const waiting: (() => void)[] = [];

async function limited<T>(act: () => Promise<T>): Promise<T> {
  if (waiting.length >= waitingMax) {
    throw new Refusal('unavailable', 'Too many people are signing in at this moment; try again shortly.', {
      retryAfterSeconds: 5,
    });
  }
  if (running >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    return await act();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

export function hashPassword(password: string): Promise<string> {
  return limited(() => hash(password.normalize('NFKC'), cost));
}

// What an unknown address is compared with, so that it takes as long as a wrong password.
const nobody = hashPassword('nobody has this password');

export async function passwordMatches(secret: string | undefined, password: string): Promise<boolean> {
  const against = secret ?? (await nobody);
  const matches = await limited(() => verify(against, password.normalize('NFKC')));
  return matches && secret !== undefined;
}

let common: string | undefined;

/**
 * Whether this is one of the 49,233 passwords that are used most. The list is searched as the text it is, read when first
 * needed: 0.4 MB where a Set of its words takes 3.4 MB, and a search takes 0.1 ms beside the 30 ms of hashing.
 */
export function isCommonPassword(word: string): boolean {
  common ??= readFileSync(createRequire(import.meta.url).resolve(commonList), 'utf8');
  return common.includes(JSON.stringify(word));
}

/** A JSON list of words, all in small letters. */
const commonList = '@zxcvbn-ts/language-common/src/passwords.json';
