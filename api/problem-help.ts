import type { RefusalCode } from '../policies/refusal.ts';

/** What the page behind each problem's `type` says: when it is answered, and what to do about it. */
export const problemHelp: Record<RefusalCode | 'internal', { when: string; remedy: string }> = {
  'invalid-request': {
    when: 'A member of the body, a parameter or a header is missing, misspelt, of the wrong type or out of its bounds.',
    remedy:
      'Each fault is in "errors" with a pointer to it; mend them all and send the request again. The shapes are in /docs, and for machines at /v1/openapi.json.',
  },
  unauthenticated: {
    when: 'There is no credential, or it is not known, has ended, was rotated or revoked.',
    remedy:
      'Send "Authorization: Bearer" with an API key or a session token of the organisation, or sign in again. GET /v1/context says how people sign in here.',
  },
  'second-factor-required': {
    when: 'The password was right, and the organisation or the person has a second factor.',
    remedy: 'Send the same request with a code of the authenticator, or a recovery code, as the answer says.',
  },
  forbidden: {
    when: 'The credential is good, and none of its roles allows this; or a rule of the organisation denies it.',
    remedy:
      'Where the answer has an "explanation", GET it: it lists the rules that were considered and the one that decided. Ask an administrator for a role that allows it.',
  },
  'tenant-suspended': {
    when: 'The organisation is suspended: it can be looked at by operators, and does nothing.',
    remedy: 'Ask the operator of this installation; everything goes on where it stood when it is resumed.',
  },
  'tenant-mismatch': {
    when: 'The credential belongs to one organisation, and the host, a header or a parameter names another.',
    remedy:
      'Leave out what names the organisation, for the credential does so already, or use the credential of the one you mean.',
  },
  'not-found': {
    when: 'There is nothing at this address, or nothing that this credential may see; the two are told alike.',
    remedy:
      'Look at the id and at the list it should be in. What belongs to operators is below /v1/platform and /v1/tenants.',
  },
  'method-not-allowed': {
    when: 'The address is right, and this method is not offered there.',
    remedy: 'The header "Allow" lists those that are.',
  },
  conflict: {
    when: 'What is there does not go with what was asked: a name is taken, a state does not allow it, something else depends on it.',
    remedy:
      'The detail names what is in the way. Change that, or ask for something else; the same request again is refused again.',
  },
  'operation-running': {
    when: 'An operation that excludes this one is under way for the organisation.',
    remedy:
      'The answer names it: follow GET /v1/operations/{id}, with "Prefer: wait=20" if you like, and ask again when it has ended.',
  },
  'precondition-failed': {
    when: 'If-Match named a version that is not the present one: somebody has changed it since you read it.',
    remedy: 'Read it again, look at what changed, and send your change with the new ETag.',
  },
  'too-large': {
    when: 'The body is larger than this route takes.',
    remedy: 'Send less at once; lists can be sent in several requests.',
  },
  'unsupported-media-type': {
    when: 'The body is of a type, a charset or an encoding that this route does not take.',
    remedy:
      'Send JSON in UTF-8 with "Content-Type: application/json", or one of the types that /docs lists for the route.',
  },
  misdirected: {
    when: 'The organisation is served at another address, or has moved there.',
    remedy: 'Send the request to the address in "servedAt", and keep that.',
  },
  unprocessable: {
    when: 'The request is well formed, and something in it cannot be: a reference to what is not there, a value that a setting or another value does not allow.',
    remedy: 'The detail and "errors" name each fault; mend them and send the request again.',
  },
  'idempotency-mismatch': {
    when: 'The Idempotency-Key was used before, with another request.',
    remedy: 'Use a new key for a new request; a key is kept for the same request sent again.',
  },
  'rate-limited': {
    when: 'More was asked in this minute, or is under way at once, than the plan, the key or the process allows.',
    remedy:
      'Wait as long as "Retry-After" says, and send fewer at once. "RateLimit" in every answer says what is left.',
  },
  'quota-exceeded': {
    when: 'What this would use does not fit in a limit of the organisation, an agent, a key or a run.',
    remedy:
      'The answer names the limit, what is used and when there is room again. GET /v1/quotas lists all; POST /v1/quota-requests asks for more.',
  },
  restricted: {
    when: 'A limit was reached or use looked like abuse, and the organisation’s ladder holds this back until it ends.',
    remedy:
      'The answer says why and until when. GET /v1/usage-restrictions lists what is held back; it ends by itself when its reason does.',
  },
  'key-unusable': {
    when: 'The organisation has a key of its own with a key service, and that does not let us use it.',
    remedy:
      'Make the key usable again with your key service, or look at GET /v1/encryption-key. Nothing that is sealed can be opened meanwhile, by anybody.',
  },
  unavailable: {
    when: 'A database, Temporal or another part does not answer just now, or others were changing the same at this moment.',
    remedy: 'Nothing was changed. Try again after "Retry-After", with the same Idempotency-Key.',
  },
  internal: {
    when: 'Something failed that should not have.',
    remedy: 'Report it with the request id; with an Idempotency-Key the request can be sent again safely.',
  },
};
