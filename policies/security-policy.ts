/**
 * How strict a tenant is about signing in. A tenant may be stricter than the platform, never laxer: `bounds` are what
 * the platform allows at most (times) or asks for at least (length). Stored as settings of the tenant, one key each.
 */
export type SecurityPolicy = {
  /** Hours after which a session ends, however busy. */
  sessionHours: number;
  /** Minutes after which a session that is not used ends. */
  idleMinutes: number;
  requireSecondFactor: boolean;
  passwordLengthMin: number;
  /** Domains whose addresses may be invited; none named means any. */
  allowedEmailDomains: string[];
};

export const bounds = {
  sessionHours: { min: 1, max: 720 },
  idleMinutes: { min: 5, max: 720 },
  // Longer than anybody types, and short enough that no organisation locks its people out of ever choosing one.
  passwordLength: { min: 10, strictest: 64, max: 200 },
  allowedEmailDomainsMax: 50,
} as const;

/** What holds until plan or tenant say otherwise. */
export const loosest: SecurityPolicy = {
  sessionHours: 12,
  idleMinutes: bounds.idleMinutes.max,
  requireSecondFactor: false,
  passwordLengthMin: bounds.passwordLength.min,
  allowedEmailDomains: [],
};

export const policySettings: Record<keyof SecurityPolicy, string> = {
  sessionHours: 'sessions.hours',
  idleMinutes: 'sessions.idleMinutes',
  requireSecondFactor: 'signIn.requireSecondFactor',
  passwordLengthMin: 'passwords.lengthMin',
  allowedEmailDomains: 'invitations.allowedEmailDomains',
};

/** Whether an address may be invited. A domain stands for itself alone, not for those below it. */
export function emailDomainAllowed(
  { allowedEmailDomains }: Pick<SecurityPolicy, 'allowedEmailDomains'>,
  email: string,
): boolean {
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  return allowedEmailDomains.length === 0 || allowedEmailDomains.includes(domain);
}
