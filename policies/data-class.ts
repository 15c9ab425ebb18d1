/** Kinds of data that are kept for a time, held by law, and told of in receipts when they are deleted. */
export const dataClasses = [
  'runs',
  'memory',
  'audit',
  'webhooks',
  'sessions',
  'sign-ins',
  'invitations',
  'answers',
  'usage',
] as const;
export type DataClass = (typeof dataClasses)[number];
