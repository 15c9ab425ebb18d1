import { readFileSync } from 'node:fs';
import type { RequestHandler } from 'express';
import { Refusal } from '../policies/refusal.ts';
import { problemCodes } from './errors.ts';
import { problemHelp } from './problem-help.ts';

/** The pages the API itself serves; they load their script from a file, so that no inline script need be allowed. */
const read = (name: string) => readFileSync(new URL(`./pages/${name}`, import.meta.url), 'utf8');

const reference = { html: read('reference.html'), script: read('reference.js') };
const passwordReset = { html: read('password-reset.html'), script: read('password-reset.js') };
const invitation = { html: read('invitation.html'), script: read('invitation.js') };

const style = read('page.css');

/** How all of them look but the reference, which brings its own. */
export const pageStyle: RequestHandler = (_request, response) => {
  response.type('text/css').send(style);
};

const page =
  (files: { html: string; script: string }): RequestHandler =>
  (request, response) => {
    if (request.path.endsWith('.js')) response.type('text/javascript').send(files.script);
    else response.type('text/html').send(files.html);
  };

export const referencePage = page(reference);
export const invitationPage = page(invitation);
export const passwordResetPage = page(passwordReset);

/** What the `type` of a problem document leads to. */
export const problemPage: RequestHandler = (request, response) => {
  const problem = problemCodes.find((each) => each.code === request.params.code);
  if (!problem) throw new Refusal('not-found', 'There is no such problem.');
  const { code, status, title } = problem;
  const help = problemHelp[code];
  response.type('text/plain').send(`${code}: ${title} (HTTP ${status}).

When: ${help.when}

What to do: ${help.remedy}

The member "detail" of the answer says what was wrong this time, and "errors", where there is one, lists every fault
with a JSON pointer. Ask about an answer by its "requestId".
`);
};
