// Better Auth as its documentation sets it up: e-mail and password, PostgreSQL through a pool of `pg`, the password hash
// through its hooks for another algorithm.
//
// Environment: DATABASE_URL, and Better Auth's own BETTER_AUTH_SECRET and BETTER_AUTH_URL.
import { hash, verify } from '@node-rs/argon2';
import { betterAuth } from 'better-auth';
import { Pool } from 'pg';

// 2 is Argon2id: the package declares its names for TypeScript alone.
const argon2 = { algorithm: 2, memoryCost: 19456, timeCost: 2, parallelism: 1 };

export const pool = new Pool({ connectionString: process.env.DATABASE_URL });

export const auth = betterAuth({
  database: pool,
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => hash(password, argon2),
      verify: ({ hash: stored, password }) => verify(stored, password),
    },
  },
  // All requests come from one address: limits made for people would refuse them.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'warn' },
});
