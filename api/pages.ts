import { readFileSync } from 'node:fs';
import type { RequestHandler } from 'express';

/** The two pages the API itself serves; both load their script from a file, so that no inline script need be allowed. */
const read = (name: string) => readFileSync(new URL(`./pages/${name}`, import.meta.url), 'utf8');

const reference = { html: read('reference.html'), script: read('reference.js') };
const invitation = { html: read('invitation.html'), script: read('invitation.js') };

const page =
  (files: { html: string; script: string }): RequestHandler =>
  (request, response) => {
    if (request.path.endsWith('.js')) response.type('text/javascript').send(files.script);
    else response.type('text/html').send(files.html);
  };

export const referencePage = page(reference);
export const invitationPage = page(invitation);
