-- People and rights: more ways to prove who one is, sessions with limits, keys with owners, roles with rules.
-- Raised with every change of a role's rules: what was compiled under another number is not used.
ALTER TABLE tenant ADD COLUMN rights_version integer NOT NULL DEFAULT 1;

ALTER TABLE users
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN deactivated_at timestamptz,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE identities ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

-- The secret is sealed under the tenant's key; a code is good once, so the last step taken is kept.
CREATE TABLE second_factors (
  user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  sealed bytea NOT NULL,
  confirmed_at timestamptz,
  last_step bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE recovery_codes (
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  code_hash text NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (user_id, code_hash)
);
CREATE TABLE password_resets (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  token_hash text UNIQUE,
  asked_by text,
  expires_at timestamptz NOT NULL,
  sent_at timestamptz,
  used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX password_resets_user ON password_resets (user_id);
-- Failed sign-ins, counted under keyed hashes: of an account, and of an account from one place.
CREATE TABLE sign_in_failures (
  key text PRIMARY KEY,
  count integer NOT NULL,
  since timestamptz NOT NULL DEFAULT now()
);
-- Places a person has signed in from: guessing from elsewhere does not lock them out there.
CREATE TABLE sign_in_places (
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  place text NOT NULL,
  last_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, place)
);

ALTER TABLE sessions
  ADD COLUMN stage text NOT NULL DEFAULT 'full' CHECK (stage IN ('full', 'enrolment')),
  ADD COLUMN delivery text NOT NULL DEFAULT 'token' CHECK (delivery IN ('token', 'cookie')),
  ADD COLUMN user_agent text,
  ADD COLUMN idle_seconds integer NOT NULL DEFAULT 43200,
  ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(),
  -- After a change of rights the token is exchanged with the next answer; the old one stays good for a moment.
  ADD COLUMN rotate boolean NOT NULL DEFAULT false,
  ADD COLUMN previous_hash text UNIQUE,
  ADD COLUMN previous_until timestamptz;

ALTER TABLE api_keys
  ADD COLUMN owner_id text REFERENCES users ON DELETE CASCADE,
  -- A column of its own: a key that has lost its last role must not begin to follow its owner.
  ADD COLUMN follows_owner boolean NOT NULL DEFAULT false,
  -- How the token begins, so that a leak can be matched to its key. No secret: 154 random bits are behind it.
  ADD COLUMN prefix text NOT NULL DEFAULT '',
  ADD COLUMN created_by text,
  ADD COLUMN last_used_at timestamptz,
  ADD COLUMN revoked_at timestamptz,
  ADD COLUMN previous_hash text UNIQUE,
  ADD COLUMN previous_until timestamptz,
  ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_follows CHECK (owner_id IS NOT NULL OR NOT follows_owner);
CREATE INDEX api_keys_owner ON api_keys (owner_id);

ALTER TABLE roles
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN rules jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE role_assignments
  ADD COLUMN assigned_by text,
  ADD COLUMN assigned_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX role_assignments_role ON role_assignments (role);
-- Roles nobody may hold together.
CREATE TABLE duty_separations (
  id text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  roles text[] NOT NULL CHECK (cardinality(roles) >= 2),
  created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE invitations
  ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
  ADD COLUMN invited_by text,
  ADD COLUMN operation_id text,
  ADD COLUMN reminded_at timestamptz,
  ADD COLUMN ended_at timestamptz,
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  DROP CONSTRAINT invitations_state_check,
  ADD CONSTRAINT invitations_state_check CHECK (state IN ('pending', 'accepted', 'expired', 'revoked'));
UPDATE invitations SET roles = ARRAY[role];
ALTER TABLE invitations DROP COLUMN role;
CREATE UNIQUE INDEX invitations_one_pending ON invitations (user_id) WHERE state = 'pending';

ALTER TABLE agents ADD COLUMN environment text NOT NULL DEFAULT 'production'
  CHECK (environment IN ('development', 'staging', 'production'));
CREATE INDEX agents_owner ON agents (owner_id, id);
CREATE INDEX audit_events_request ON audit_events (request_id);
